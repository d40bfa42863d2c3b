"""The tables that older releases created. They must not be changed."""

from __future__ import annotations

SQLITE_1 = """
CREATE TABLE chest_schema (table_name VARCHAR(128) NOT NULL, version INTEGER NOT NULL,
    PRIMARY KEY (table_name));
CREATE TABLE chest_records (id VARCHAR(32) NOT NULL, time DATETIME NOT NULL,
    kind VARCHAR(16) NOT NULL, request_id VARCHAR(255) NOT NULL, trace_id VARCHAR(32),
    method VARCHAR(16), route TEXT, endpoint TEXT, blueprint TEXT, status INTEGER,
    duration_ms DOUBLE, error TEXT, sample_rate DOUBLE NOT NULL, vars JSON NOT NULL,
    tags JSON NOT NULL, bytes_sent BIGINT, disconnected BOOLEAN, PRIMARY KEY (id)) WITHOUT ROWID;
INSERT INTO chest_schema VALUES ('chest_records', 1);
INSERT INTO chest_records VALUES ('0', '2026-11-21 00:00:00.000000', 'request', 'r', NULL, 'GET',
    '/', 'index', NULL, 200, 1.5, NULL, 1.0, '{"a": 1}', '{}', NULL, NULL);
"""
POSTGRESQL_1 = """
CREATE TABLE chest_schema (table_name VARCHAR(128) NOT NULL, version INTEGER NOT NULL,
    PRIMARY KEY (table_name));
CREATE TABLE chest_records (id VARCHAR(32) NOT NULL, time TIMESTAMP WITH TIME ZONE NOT NULL,
    kind VARCHAR(16) NOT NULL, request_id VARCHAR(255) NOT NULL, trace_id VARCHAR(32),
    method VARCHAR(16), route TEXT, endpoint TEXT, blueprint TEXT, status INTEGER,
    duration_ms DOUBLE PRECISION, error TEXT, sample_rate DOUBLE PRECISION NOT NULL,
    vars JSONB NOT NULL, tags JSONB NOT NULL, bytes_sent BIGINT, disconnected BOOLEAN,
    PRIMARY KEY (id));
CREATE INDEX ix_chest_records_request_id ON chest_records (request_id);
CREATE INDEX ix_chest_records_route ON chest_records (route, time);
CREATE INDEX ix_chest_records_time ON chest_records (time);
CREATE VIEW chest_vars AS SELECT r.id AS record_id, r.time AS time, r.request_id AS request_id,
    v.key AS name, v.value AS value FROM chest_records AS r, jsonb_each_text(r.vars) AS v
"""
MARIADB_1 = """
CREATE TABLE chest_schema (table_name VARCHAR(128) NOT NULL, version INTEGER NOT NULL,
    PRIMARY KEY (table_name)) ENGINE=InnoDB CHARSET=utf8mb4 COLLATE utf8mb4_bin;
CREATE TABLE chest_records (id VARCHAR(32) NOT NULL, time DATETIME(6) NOT NULL,
    kind VARCHAR(16) NOT NULL, request_id VARCHAR(255) NOT NULL, trace_id VARCHAR(32),
    method VARCHAR(16), route MEDIUMTEXT, endpoint MEDIUMTEXT, blueprint MEDIUMTEXT,
    status INTEGER, duration_ms DOUBLE, error MEDIUMTEXT, sample_rate DOUBLE NOT NULL,
    vars JSON NOT NULL, tags JSON NOT NULL, bytes_sent BIGINT, disconnected BOOL,
    PRIMARY KEY (id)) ENGINE=InnoDB CHARSET=utf8mb4 COLLATE utf8mb4_bin;
CREATE INDEX ix_chest_records_request_id ON chest_records (request_id);
CREATE INDEX ix_chest_records_route ON chest_records (route(191), time);
CREATE INDEX ix_chest_records_time ON chest_records (time);
CREATE VIEW chest_vars AS SELECT r.id AS record_id, r.time AS time, r.request_id AS request_id,
    k.name AS name, JSON_UNQUOTE(JSON_EXTRACT(r.vars, CONCAT('$.', JSON_QUOTE(k.name)))) AS value
    FROM chest_records AS r
    JOIN JSON_TABLE(JSON_KEYS(r.vars), '$[*]' COLUMNS (name TEXT PATH '$')) AS k
"""
ROWS_1 = """;
INSERT INTO chest_schema VALUES ('chest_records', 1);
INSERT INTO chest_records VALUES ('0', '2026-11-21 00:00:00.000000', 'request', 'r', NULL, 'GET',
    '/', 'index', NULL, 200, 1.5, NULL, 1.0, '{"a": 1}', '{}', NULL, NULL)
"""
