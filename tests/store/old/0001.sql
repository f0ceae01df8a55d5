-- A database of schema 0001, as the program of that time wrote it; a row at least in every table.
PRAGMA application_id=1447318612;
PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE checkpoints (
	scenario_id TEXT NOT NULL, 
	run INTEGER NOT NULL, 
	token BIGINT NOT NULL, 
	parts INTEGER NOT NULL, 
	events INTEGER NOT NULL, 
	state BLOB NOT NULL, 
	CONSTRAINT pk_checkpoints PRIMARY KEY (scenario_id, run)
);
INSERT INTO "checkpoints" VALUES('scenario-0',1,1,2,4,X'006D656D6F7279FF');
CREATE TABLE commands (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	scenario_id TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	accepted_at_ms BIGINT NOT NULL, 
	CONSTRAINT fk_commands_scenario_id FOREIGN KEY(scenario_id) REFERENCES scenarios (id) ON DELETE CASCADE
);
INSERT INTO "commands" VALUES(1,'waiting','start',1795302203840);
CREATE TABLE counts (
	scenario_id TEXT NOT NULL, 
	run INTEGER NOT NULL, 
	start_ms BIGINT NOT NULL, 
	kind TEXT NOT NULL, 
	place TEXT NOT NULL, 
	label TEXT NOT NULL, 
	now_mean FLOAT, 
	now_min INTEGER, 
	now_max INTEGER, 
	entered INTEGER NOT NULL, 
	"left" INTEGER NOT NULL, 
	crossed_in INTEGER NOT NULL, 
	crossed_out INTEGER NOT NULL, 
	"distinct" INTEGER NOT NULL, 
	covered_s FLOAT NOT NULL, 
	CONSTRAINT pk_counts PRIMARY KEY (scenario_id, run, start_ms, kind, place, label), 
	CONSTRAINT fk_counts_scenario_id FOREIGN KEY(scenario_id) REFERENCES scenarios (id) ON DELETE CASCADE
);
INSERT INTO "counts" VALUES('scenario-0',1,1767225600000,'zone','yard','person',1.5,0,3,2,1,0,0,0,10.0);
INSERT INTO "counts" VALUES('scenario-0',1,1767225600000,'zone','yard','car, rød',NULL,NULL,NULL,2,1,0,0,0,0.0);
CREATE TABLE coverage (
	id INTEGER NOT NULL, 
	scenario_id TEXT NOT NULL, 
	run INTEGER NOT NULL, 
	from_ms BIGINT NOT NULL, 
	to_ms BIGINT NOT NULL, 
	CONSTRAINT pk_coverage PRIMARY KEY (id), 
	CONSTRAINT fk_coverage_scenario_id FOREIGN KEY(scenario_id) REFERENCES scenarios (id) ON DELETE CASCADE
);
INSERT INTO "coverage" VALUES(1,'scenario-0',1,1767225600000,1767225615000);
INSERT INTO "coverage" VALUES(2,'scenario-0',1,1767225620000,1767225635000);
CREATE TABLE deaths (
	id INTEGER NOT NULL, 
	source_id TEXT NOT NULL, 
	runner_id TEXT NOT NULL, 
	token BIGINT NOT NULL, 
	at_ms BIGINT NOT NULL, 
	evidence TEXT NOT NULL, 
	CONSTRAINT pk_deaths PRIMARY KEY (id), 
	CONSTRAINT fk_deaths_source_id FOREIGN KEY(source_id) REFERENCES sources (id) ON DELETE CASCADE
);
INSERT INTO "deaths" VALUES(1,'source-2','runner-1',1,5,'crashed: SIGSEGV');
CREATE TABLE events (
	id TEXT NOT NULL, 
	scenario_id TEXT NOT NULL, 
	run INTEGER NOT NULL, 
	sequence INTEGER NOT NULL, 
	type TEXT NOT NULL, 
	frame BIGINT NOT NULL, 
	pts_s FLOAT NOT NULL, 
	captured_at_ms BIGINT, 
	track_id BIGINT, 
	label TEXT, 
	place TEXT, 
	direction TEXT, 
	dwell_s FLOAT, 
	token BIGINT NOT NULL, 
	CONSTRAINT pk_events PRIMARY KEY (id), 
	CONSTRAINT fk_events_scenario_id FOREIGN KEY(scenario_id) REFERENCES scenarios (id) ON DELETE CASCADE, 
	CONSTRAINT uq_events_scenario_id_run_sequence UNIQUE (scenario_id, run, sequence)
);
INSERT INTO "events" VALUES('478ba136-a3af-59f6-8bbb-66171d65da38','scenario-0',1,0,'vedette.zone.entered',0,0.0,1767225600000,7,'person','yard',NULL,NULL,1);
INSERT INTO "events" VALUES('18c76e01-4f8a-56c3-9843-02a519d9cfc8','scenario-0',1,1,'vedette.line.crossed',0,0.0,NULL,7,'person','gate','in',2.5,1);
INSERT INTO "events" VALUES('5ac6af42-7e27-5472-8c60-2cc4cdccb977','scenario-0',1,2,'vedette.zone.entered',1,0.125,1767225601000,7,'person','yard',NULL,NULL,1);
INSERT INTO "events" VALUES('1e53b012-c7d8-570e-bc8a-985b216a68ef','scenario-0',1,3,'vedette.line.crossed',1,0.125,NULL,7,'person','gate','in',2.5,1);
CREATE TABLE garbage (
	blob_key TEXT NOT NULL, 
	due_ms BIGINT NOT NULL, 
	CONSTRAINT pk_garbage PRIMARY KEY (blob_key)
);
INSERT INTO "garbage" VALUES('results/lost.parquet',42474224);
CREATE TABLE idempotency (
	"key" TEXT NOT NULL, 
	fingerprint TEXT NOT NULL, 
	status INTEGER NOT NULL, 
	answer TEXT NOT NULL, 
	at_ms BIGINT NOT NULL, 
	CONSTRAINT pk_idempotency PRIMARY KEY ("key")
);
INSERT INTO "idempotency" VALUES('key-1','f',202,'{"a": 1}',1795302203837);
CREATE TABLE meta (
	"key" TEXT NOT NULL, 
	value TEXT, 
	CONSTRAINT pk_meta PRIMARY KEY ("key")
);
INSERT INTO "meta" VALUES('boot_id','the-boot-of-then');
CREATE TABLE outbox (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	topic TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	payload TEXT NOT NULL, 
	at_ms BIGINT NOT NULL
);
INSERT INTO "outbox" VALUES(1,'vedette.notices','scenario-0','{"id": 1, "scenario_id": "scenario-0", "run": 1, "before": "inactive", "after": "active", "reason": "running", "token": 0, "at_ms": 1795302203529, "detail": ""}',1795302203529);
CREATE TABLE parts (
	id INTEGER NOT NULL, 
	scenario_id TEXT NOT NULL, 
	run INTEGER NOT NULL, 
	first INTEGER NOT NULL, 
	last INTEGER NOT NULL, 
	first_frame BIGINT NOT NULL, 
	last_frame BIGINT NOT NULL, 
	first_pts_s FLOAT NOT NULL, 
	last_pts_s FLOAT NOT NULL, 
	first_captured_at_ms BIGINT, 
	last_captured_at_ms BIGINT, 
	rows INTEGER NOT NULL, 
	size_bytes BIGINT NOT NULL, 
	blob_key TEXT, 
	token BIGINT NOT NULL, 
	holder TEXT NOT NULL, 
	at_ms BIGINT NOT NULL, 
	bytes BLOB, 
	CONSTRAINT pk_parts PRIMARY KEY (id), 
	CONSTRAINT fk_parts_scenario_id FOREIGN KEY(scenario_id) REFERENCES scenarios (id) ON DELETE CASCADE, 
	CONSTRAINT uq_parts_scenario_id_run_first UNIQUE (scenario_id, run, first)
);
INSERT INTO "parts" VALUES(1,'scenario-0',1,0,0,0,1,0.0,0.125,NULL,NULL,2,171,NULL,1,'runner-1',1795302203566,X'3178016550310EC2300CFC0ACAEC46679714C13B98883254B45BD5A2540CFC9E733A56B22F679F13DBC939873D08BD480ED3B65506EDF05819A82B10758C1044B5E49AC1860E7D077DAA3D005A04F00AB27E978515C3154227EB0708BD909A183187F758E552E7890D3E73DDB795E49C63296262CFA40E8DB49CCFC1990EF767112DC909A9F47EEF00754660F68E784B72422A3EBC68DBA1ED9C99A385DF58A7F6470729A5FC013DE34EF0');
INSERT INTO "parts" VALUES(2,'scenario-0',1,1,1,2,3,0.25,0.375,NULL,NULL,2,174,NULL,1,'runner-1',1795302203630,X'3178016550310EC3200CFC4AC5EC206397446DBFD1A988216DB2454945D4A1BFEF19A62A883BDFD980819492DB1D0199929BB6ADC0D4603EC004AB082998BD4462AF4384593FCB424E58FA8EB5E3700F7265C6F4CCFAB04DFD990980D29E09C89042024EEE35163A95794287F75CF66D8538E6B094BDF58CC1A80A3BC43319B4C132F56E07464505FB1AA92910B217F643A403A352DF15A805F8E4BE63B16B8EB767FDA47F8B1519E3076EA55221');
CREATE TABLE runners (
	id TEXT NOT NULL, 
	incarnation TEXT NOT NULL, 
	host TEXT NOT NULL, 
	pid INTEGER NOT NULL, 
	version TEXT NOT NULL, 
	capacity INTEGER NOT NULL, 
	only TEXT, 
	started_at_ms BIGINT NOT NULL, 
	until_ms BIGINT NOT NULL, 
	CONSTRAINT pk_runners PRIMARY KEY (id)
);
INSERT INTO "runners" VALUES('runner-1','life-1','here',1,'0',9,NULL,1795302203529,38934087);
CREATE TABLE runs (
	scenario_id TEXT NOT NULL, 
	run INTEGER NOT NULL, 
	parameters TEXT NOT NULL, 
	started_at_ms BIGINT NOT NULL, 
	ended_at_ms BIGINT, 
	reason TEXT, 
	facts TEXT, 
	totals TEXT, 
	trimmed_to_frame BIGINT, 
	health TEXT, 
	CONSTRAINT pk_runs PRIMARY KEY (scenario_id, run), 
	CONSTRAINT fk_runs_scenario_id FOREIGN KEY(scenario_id) REFERENCES scenarios (id) ON DELETE CASCADE
);
INSERT INTO "runs" VALUES('scenario-0',1,'{"classes": null, "confidence": null, "detector": "auto", "fps": null, "plan": {"lines": [], "zones": []}, "recorded_at": null}',1795302203529,NULL,NULL,'{"live": true}','{"frames": 4}',NULL,NULL);
CREATE TABLE scenarios (
	id TEXT NOT NULL, 
	source_id TEXT NOT NULL, 
	state TEXT NOT NULL, 
	wanted TEXT NOT NULL, 
	status_reason TEXT NOT NULL, 
	detail TEXT NOT NULL, 
	start_again BOOLEAN NOT NULL, 
	run INTEGER NOT NULL, 
	parameters TEXT NOT NULL, 
	version INTEGER NOT NULL, 
	created_at_ms BIGINT NOT NULL, 
	updated_at_ms BIGINT NOT NULL, 
	CONSTRAINT pk_scenarios PRIMARY KEY (id), 
	CONSTRAINT fk_scenarios_source_id FOREIGN KEY(source_id) REFERENCES sources (id)
);
INSERT INTO "scenarios" VALUES('scenario-0','of-scenario-0','active','active','running','',0,1,'{"classes": null, "confidence": null, "detector": "auto", "fps": null, "plan": {"lines": [], "zones": []}, "recorded_at": null}',1,1795302203529,1795302203529);
INSERT INTO "scenarios" VALUES('waiting','source-2','inactive','inactive','new','',0,0,'{"classes": ["person"], "confidence": 0.4, "detector": "auto", "fps": null, "plan": {"lines": [{"end_norm": [0.5, 0.0], "labels": [], "name": "gate", "start_norm": [0.5, 1.0]}], "zones": [{"labels": ["person"], "name": "yard", "polygon_norm": [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]}]}, "recorded_at": null}',0,1795302203840,1795302203840);
CREATE TABLE sources (
	id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	address TEXT NOT NULL, 
	token BIGINT NOT NULL, 
	holder TEXT, 
	incarnation TEXT, 
	granted_at_ms BIGINT, 
	quarantine INTEGER NOT NULL, 
	wait_until_ms BIGINT NOT NULL, 
	CONSTRAINT pk_sources PRIMARY KEY (id), 
	CONSTRAINT fk_sources_holder FOREIGN KEY(holder) REFERENCES runners (id)
);
INSERT INTO "sources" VALUES('of-scenario-0','door','file:of-scenario-0',1,'runner-1','life-1',1795302203529,0,0);
INSERT INTO "sources" VALUES('source-2','gate','rtsp://10.0.0.7/main',0,NULL,NULL,NULL,0,0);
CREATE TABLE tasks (
	id TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	state TEXT NOT NULL, 
	payload TEXT NOT NULL, 
	worker TEXT, 
	token BIGINT NOT NULL, 
	until_ms BIGINT NOT NULL, 
	attempts INTEGER NOT NULL, 
	attempts_max INTEGER NOT NULL, 
	result TEXT, 
	error TEXT, 
	created_at_ms BIGINT NOT NULL, 
	ended_at_ms BIGINT, 
	CONSTRAINT pk_tasks PRIMARY KEY (id)
);
INSERT INTO "tasks" VALUES('task-1','photo','completed','{"x": 1}','w-1',1,38934253,1,3,'{"y": "å"}',NULL,1795302203673,1795302203761);
INSERT INTO "tasks" VALUES('task-2','photo','in_progress','{"x": 2}','w-1',1,38934342,1,3,NULL,NULL,1795302203686,NULL);
CREATE TABLE transitions (
	id INTEGER NOT NULL, 
	scenario_id TEXT NOT NULL, 
	run INTEGER NOT NULL, 
	"before" TEXT NOT NULL, 
	"after" TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	token BIGINT NOT NULL, 
	at_ms BIGINT NOT NULL, 
	CONSTRAINT pk_transitions PRIMARY KEY (id), 
	CONSTRAINT fk_transitions_scenario_id FOREIGN KEY(scenario_id) REFERENCES scenarios (id) ON DELETE CASCADE
);
INSERT INTO "transitions" VALUES(1,'scenario-0',1,'inactive','active','running',0,1795302203529);
CREATE INDEX ix_idempotency_at_ms ON idempotency (at_ms);
CREATE INDEX ix_tasks_kind_state_id ON tasks (kind, state, id);
CREATE INDEX ix_sources_holder ON sources (holder);
CREATE INDEX ix_deaths_source_id_at_ms ON deaths (source_id, at_ms);
CREATE INDEX ix_scenarios_created_at_ms_id ON scenarios (created_at_ms, id);
CREATE INDEX ix_scenarios_source_id ON scenarios (source_id);
CREATE INDEX ix_scenarios_state ON scenarios (state);
CREATE INDEX ix_coverage_scenario_id_run_from_ms ON coverage (scenario_id, run, from_ms);
CREATE INDEX ix_parts_at_ms_size_bytes ON parts (at_ms, size_bytes);
CREATE INDEX ix_parts_fresh ON parts (scenario_id, run, first, at_ms, size_bytes, blob_key) WHERE blob_key IS NULL;
CREATE INDEX ix_parts_scenario_id_run_first_frame ON parts (scenario_id, run, first_frame);
CREATE INDEX ix_transitions_scenario_id_id ON transitions (scenario_id, id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('outbox',1);
INSERT INTO "sqlite_sequence" VALUES('commands',1);
COMMIT;
