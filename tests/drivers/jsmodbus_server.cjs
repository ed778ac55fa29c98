// A jsmodbus server with known values on a free port; the port is printed on the first line. It ends with its standard input.
'use strict'
const net = require('net')
const modbus = require('jsmodbus')

const holding = Buffer.alloc(64)
const input = Buffer.alloc(32)
const coils = Buffer.alloc(4)
const discrete = Buffer.alloc(4)
coils[0] = 1 << 3
discrete[0] = 1 << 7
holding.writeUInt16BE(51966, 20)
holding.writeFloatBE(1.5, 22)
holding.writeFloatBE(-2.25, 26)
holding.subarray(26, 30).swap32().swap16() // CDAB: the words exchanged
holding.writeFloatBE(1000.125, 30)
holding.subarray(30, 34).swap16() // BADC: the bytes of each word exchanged
holding.writeFloatLE(0.0625, 34) // DCBA
holding.writeInt32BE(-123456, 38)
input.writeBigInt64BE(1234567890123n, 10)
input.writeInt16BE(-7, 18)

const server = new net.Server()
// eslint-disable-next-line no-new
new modbus.server.TCP(server, { holding, input, coils, discrete })
server.listen(0, '127.0.0.1', () => console.log(server.address().port))
process.stdin.resume()
process.stdin.on('end', () => process.exit(0))
