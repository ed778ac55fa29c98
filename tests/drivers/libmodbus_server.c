/* A libmodbus server with known values, for TCP (argument "tcp PORT") or RTU ("rtu DEVICE").
 *
 * Integers are put into the registers by libmodbus' own setters, floats word by word: libmodbus 3.1's modbus_set_float_abcd
 * exchanges the bytes of each word on a little-endian machine. Port 0 lets the kernel choose; the port is printed on the first
 * line. It ends when its standard input does.
 */
#include <modbus.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static uint16_t swapped(uint16_t word)
{
    return (uint16_t)(word << 8 | word >> 8);
}

static void put_float(uint16_t *at, float value, int words_exchanged, int bytes_exchanged)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint16_t high = (uint16_t)(bits >> 16), low = (uint16_t)bits;
    at[0] = words_exchanged ? low : high;
    at[1] = words_exchanged ? high : low;
    if (bytes_exchanged) {
        at[0] = swapped(at[0]);
        at[1] = swapped(at[1]);
    }
}

static modbus_mapping_t *fill(void)
{
    modbus_mapping_t *map = modbus_mapping_new(16, 16, 32, 16);
    map->tab_bits[3] = 1;
    map->tab_input_bits[7] = 1;
    map->tab_registers[10] = 51966;
    put_float(map->tab_registers + 11, 1.5f, 0, 0);
    put_float(map->tab_registers + 13, -2.25f, 1, 0);
    put_float(map->tab_registers + 15, 1000.125f, 0, 1);
    put_float(map->tab_registers + 17, 0.0625f, 1, 1);
    MODBUS_SET_INT32_TO_INT16(map->tab_registers, 19, -123456);
    MODBUS_SET_INT64_TO_INT16(map->tab_input_registers, 5, INT64_C(1234567890123));
    map->tab_input_registers[9] = (uint16_t)-7;
    return map;
}

/* Answer one connection (or the serial line) until it ends; 0 when our own standard input ended. */
static int serve(modbus_t *ctx, modbus_mapping_t *map, int is_serial)
{
    uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
    struct pollfd ends[2] = {{modbus_get_socket(ctx), POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    for (;;) {
        if (poll(ends, 2, -1) < 0 || ends[1].revents)
            return 0;
        int length = modbus_receive(ctx, query);
        if (length > 0)
            modbus_reply(ctx, query, length, map);
        else if (length < 0 && !is_serial)
            return 1;
        else if (length < 0) /* a request it does not know, such as 43: it has no way to find its end */
            modbus_flush(ctx);
    }
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    modbus_mapping_t *map = fill();
    if (strcmp(argv[1], "rtu") == 0) {
        modbus_t *ctx = modbus_new_rtu(argv[2], 115200, 'N', 8, 1);
        modbus_set_slave(ctx, 1);
        if (modbus_connect(ctx) < 0)
            return 1;
        puts("ready");
        fflush(stdout);
        serve(ctx, map, 1);
        return 0;
    }
    modbus_t *ctx = modbus_new_tcp("127.0.0.1", 0);
    int listener = modbus_tcp_listen(ctx, 4);
    struct sockaddr_in at;
    socklen_t size = sizeof at;
    getsockname(listener, (struct sockaddr *)&at, &size);
    printf("%d\n", ntohs(at.sin_port));
    fflush(stdout);
    struct pollfd ends[2] = {{listener, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    while (poll(ends, 2, -1) > 0 && !ends[1].revents) {
        modbus_tcp_accept(ctx, &listener);
        if (!serve(ctx, map, 0))
            return 0;
        modbus_close(ctx);
    }
    return 0;
}
