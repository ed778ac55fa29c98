-- The tables that outlive a run over some days.
CREATE TEMP TABLE enrolled (gateway VARCHAR, from_ms BIGINT, until_ms BIGINT);
CREATE TEMP TABLE broken (gateway VARCHAR, epoch VARCHAR, seq BIGINT, day INTEGER, is_enrolled BOOLEAN, reason VARCHAR);
CREATE TEMP TABLE chain_end (gateway VARCHAR, epoch VARCHAR, seq BIGINT, prev VARCHAR, hash VARCHAR, day INTEGER,
  is_enrolled BOOLEAN);
CREATE TEMP TABLE batch_day (gateway VARCHAR, day INTEGER, batches BIGINT);
CREATE TEMP TABLE identity_heard (gateway VARCHAR, device VARCHAR, manufacturer VARCHAR, model VARCHAR, serial VARCHAR,
  kind VARCHAR, axes BIGINT, source VARCHAR, time_ms BIGINT, leaf BIGINT, received_ms BIGINT, signed BOOLEAN);
CREATE TEMP TABLE carry (gateway VARCHAR, device VARCHAR, life INTEGER, counter VARCHAR, raw BIGINT, peak BIGINT);
CREATE TEMP TABLE usage_day (day INTEGER, enterprise VARCHAR, provider VARCHAR, gateway VARCHAR, service VARCHAR,
  status VARCHAR, since VARCHAR, active BOOLEAN, leaf BIGINT);
CREATE TEMP TABLE heartbeat_day (gateway VARCHAR, day INTEGER, heartbeats BIGINT);
CREATE TEMP TABLE profile_seen (profile VARCHAR);
