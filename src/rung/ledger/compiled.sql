-- create calibrations
CREATE TABLE calibrations (
	id INTEGER NOT NULL,
	created_unix FLOAT NOT NULL,
	ladder TEXT NOT NULL,
	tier TEXT NOT NULL,
	calibration_json TEXT NOT NULL,
	report_json TEXT NOT NULL,
	PRIMARY KEY (id),
	CONSTRAINT created_unix_not_negative CHECK (created_unix >= 0)
);

-- create requests
CREATE TABLE requests (
	id VARCHAR NOT NULL,
	started_unix FLOAT NOT NULL,
	seconds FLOAT NOT NULL,
	project TEXT,
	lane VARCHAR NOT NULL,
	ladder TEXT NOT NULL,
	dialect TEXT NOT NULL,
	requested_model TEXT NOT NULL,
	streamed BOOLEAN NOT NULL,
	body_sha256 VARCHAR(64) NOT NULL,
	body_bytes BIGINT NOT NULL,
	input_tokens_estimate BIGINT NOT NULL,
	needs TEXT NOT NULL,
	plan_json TEXT NOT NULL,
	steps INTEGER NOT NULL,
	decision VARCHAR,
	decision_reason VARCHAR,
	decision_index INTEGER,
	served_attempt INTEGER,
	verified BOOLEAN,
	escalated BOOLEAN NOT NULL,
	cost_nanousd BIGINT NOT NULL,
	ended_by VARCHAR NOT NULL,
	phase VARCHAR NOT NULL,
	inbox BOOLEAN NOT NULL,
	rung_version VARCHAR NOT NULL,
	resend_of VARCHAR,
	ungated BOOLEAN DEFAULT 0 NOT NULL,
	audit_of VARCHAR,
	conversation VARCHAR,
	agent TEXT,
	private TEXT,
	cached_of VARCHAR,
	category VARCHAR,
	difficulty VARCHAR,
	propensity FLOAT,
	traits_json TEXT,
	PRIMARY KEY (id),
	CONSTRAINT lane_is_known CHECK (lane IN ('interactive', 'background', 'batch')),
	CONSTRAINT decision_is_known CHECK (decision IN ('accept', 'exhausted')),
	CONSTRAINT ended_by_is_known CHECK (ended_by IN ('upstream', 'client', 'gateway', 'limit', 'internal')),
	CONSTRAINT started_unix_not_negative CHECK (started_unix >= 0),
	CONSTRAINT seconds_not_negative CHECK (seconds >= 0),
	CONSTRAINT body_bytes_not_negative CHECK (body_bytes >= 0),
	CONSTRAINT input_tokens_estimate_not_negative CHECK (input_tokens_estimate >= 0),
	CONSTRAINT steps_not_negative CHECK (steps >= 0),
	CONSTRAINT served_attempt_not_negative CHECK (served_attempt >= 0),
	CONSTRAINT cost_nanousd_not_negative CHECK (cost_nanousd >= 0)
);

-- create requests_by_audited
CREATE INDEX requests_by_audited ON requests (audit_of) WHERE audit_of IS NOT NULL;

-- create requests_by_conversation
CREATE INDEX requests_by_conversation ON requests (conversation, started_unix) WHERE conversation IS NOT NULL;

-- create requests_by_original
CREATE INDEX requests_by_original ON requests (resend_of) WHERE resend_of IS NOT NULL;

-- create requests_by_start
CREATE INDEX requests_by_start ON requests (started_unix);

-- create routers
CREATE TABLE routers (
	id INTEGER NOT NULL,
	created_unix FLOAT NOT NULL,
	ladder TEXT NOT NULL,
	model_json TEXT NOT NULL,
	report_json TEXT NOT NULL,
	PRIMARY KEY (id),
	CONSTRAINT created_unix_not_negative CHECK (created_unix >= 0)
);

-- create speeds
CREATE TABLE speeds (
	id INTEGER NOT NULL,
	created_unix FLOAT NOT NULL,
	tier TEXT NOT NULL,
	model TEXT NOT NULL,
	speed_json TEXT NOT NULL,
	PRIMARY KEY (id),
	CONSTRAINT created_unix_not_negative CHECK (created_unix >= 0)
);

-- create attempts
CREATE TABLE attempts (
	request_id VARCHAR NOT NULL,
	position INTEGER NOT NULL,
	id VARCHAR NOT NULL,
	tier TEXT NOT NULL,
	step INTEGER,
	model TEXT,
	kind VARCHAR NOT NULL,
	started_at FLOAT NOT NULL,
	ended_at FLOAT NOT NULL,
	load_seconds FLOAT NOT NULL,
	first_token_seconds FLOAT,
	failure_fault VARCHAR,
	failure_message TEXT,
	failure_status INTEGER,
	retry_after_seconds FLOAT,
	finish VARCHAR,
	answer_sha256 VARCHAR(64),
	answer_bytes BIGINT,
	gates VARCHAR,
	input_tokens BIGINT NOT NULL,
	output_tokens BIGINT NOT NULL,
	cache_read_tokens BIGINT NOT NULL,
	cache_write_tokens BIGINT NOT NULL,
	reasoning_tokens BIGINT NOT NULL,
	usage_source VARCHAR NOT NULL,
	cost_nanousd BIGINT NOT NULL,
	price_source TEXT,
	price_json TEXT,
	ended_by VARCHAR NOT NULL,
	phase VARCHAR NOT NULL,
	released BOOLEAN NOT NULL,
	losses_json TEXT NOT NULL,
	dialect TEXT,
	tool_calls INTEGER DEFAULT 0 NOT NULL,
	called_json TEXT,
	salvaged TEXT,
	local BOOLEAN,
	beside BOOLEAN DEFAULT 0 NOT NULL,
	spared_tokens BIGINT DEFAULT 0 NOT NULL,
	queued_seconds FLOAT DEFAULT 0 NOT NULL,
	cache_write_1h_tokens BIGINT DEFAULT 0 NOT NULL,
	PRIMARY KEY (request_id, position),
	CONSTRAINT kind_is_known CHECK (kind IN ('first', 'retry', 'repair', 'sample')),
	CONSTRAINT gates_is_known CHECK (gates IN ('passed', 'failed')),
	CONSTRAINT usage_source_is_known CHECK (usage_source IN ('provider', 'estimated', 'none')),
	CONSTRAINT ended_by_is_known CHECK (ended_by IN ('upstream', 'client', 'gateway', 'limit', 'internal')),
	CONSTRAINT position_not_negative CHECK (position >= 0),
	CONSTRAINT answer_bytes_not_negative CHECK (answer_bytes >= 0),
	CONSTRAINT input_tokens_not_negative CHECK (input_tokens >= 0),
	CONSTRAINT output_tokens_not_negative CHECK (output_tokens >= 0),
	CONSTRAINT cache_read_tokens_not_negative CHECK (cache_read_tokens >= 0),
	CONSTRAINT cache_write_tokens_not_negative CHECK (cache_write_tokens >= 0),
	CONSTRAINT reasoning_tokens_not_negative CHECK (reasoning_tokens >= 0),
	CONSTRAINT cost_nanousd_not_negative CHECK (cost_nanousd >= 0),
	FOREIGN KEY(request_id) REFERENCES requests (id) ON DELETE CASCADE,
	UNIQUE (id)
)
 WITHOUT ROWID;

-- create baselines
CREATE TABLE baselines (
	request_id VARCHAR NOT NULL,
	name TEXT NOT NULL,
	cost_nanousd BIGINT NOT NULL,
	PRIMARY KEY (request_id, name),
	CONSTRAINT cost_nanousd_not_negative CHECK (cost_nanousd >= 0),
	FOREIGN KEY(request_id) REFERENCES requests (id) ON DELETE CASCADE
)
 WITHOUT ROWID;

-- create inbox
CREATE TABLE inbox (
	request_id VARCHAR NOT NULL,
	created_unix FLOAT NOT NULL,
	state VARCHAR NOT NULL,
	request_json TEXT NOT NULL,
	answers_json TEXT NOT NULL,
	PRIMARY KEY (request_id),
	CONSTRAINT state_is_known CHECK (state IN ('open', 'answered', 'dismissed')),
	FOREIGN KEY(request_id) REFERENCES requests (id) ON DELETE CASCADE
);

-- create closings
CREATE TABLE closings (
	request_id VARCHAR NOT NULL,
	created_unix FLOAT NOT NULL,
	state VARCHAR NOT NULL,
	text TEXT,
	attempt_position INTEGER,
	verified BOOLEAN,
	given_by TEXT,
	note TEXT NOT NULL,
	PRIMARY KEY (request_id),
	CONSTRAINT state_is_known CHECK (state IN ('answered', 'dismissed')),
	CONSTRAINT answers_have_a_text CHECK ((state = 'answered') = (text IS NOT NULL)),
	CONSTRAINT attempt_position_not_negative CHECK (attempt_position >= 0),
	CONSTRAINT created_unix_not_negative CHECK (created_unix >= 0),
	FOREIGN KEY(request_id) REFERENCES inbox (request_id) ON DELETE CASCADE
);

-- create labels
CREATE TABLE labels (
	id INTEGER NOT NULL,
	request_id VARCHAR NOT NULL,
	attempt_position INTEGER,
	is_right BOOLEAN NOT NULL,
	source VARCHAR NOT NULL,
	given_by TEXT,
	note TEXT NOT NULL,
	created_unix FLOAT NOT NULL,
	PRIMARY KEY (id),
	FOREIGN KEY(request_id, attempt_position) REFERENCES attempts (request_id, position) ON DELETE CASCADE,
	CONSTRAINT source_is_known CHECK (source IN ('human', 'feedback', 'inbox', 'audit', 'test')),
	CONSTRAINT created_unix_not_negative CHECK (created_unix >= 0),
	FOREIGN KEY(request_id) REFERENCES requests (id) ON DELETE CASCADE
);

-- create labels_by_request
CREATE INDEX labels_by_request ON labels (request_id);

-- create verdicts
CREATE TABLE verdicts (
	request_id VARCHAR NOT NULL,
	attempt_position INTEGER NOT NULL,
	position INTEGER NOT NULL,
	verifier TEXT NOT NULL,
	weight VARCHAR,
	status VARCHAR NOT NULL,
	reason TEXT NOT NULL,
	trust VARCHAR NOT NULL,
	score FLOAT,
	seconds FLOAT NOT NULL,
	at FLOAT NOT NULL,
	vacuous BOOLEAN DEFAULT 0 NOT NULL,
	says VARCHAR,
	cost_nanousd BIGINT DEFAULT 0 NOT NULL,
	left_machine BOOLEAN DEFAULT 0 NOT NULL,
	PRIMARY KEY (request_id, attempt_position, position),
	FOREIGN KEY(request_id, attempt_position) REFERENCES attempts (request_id, position) ON DELETE CASCADE,
	CONSTRAINT weight_is_known CHECK (weight IN ('required', 'implied', 'signal')),
	CONSTRAINT status_is_known CHECK (status IN ('passed', 'failed', 'abstained')),
	CONSTRAINT position_not_negative CHECK (position >= 0)
)
 WITHOUT ROWID;

-- add to calibrations
INSERT INTO calibrations (id, created_unix, ladder, tier, calibration_json, report_json) VALUES (:id, :created_unix, :ladder, :tier, :calibration_json, :report_json);

-- insert requests
INSERT INTO requests (id, started_unix, seconds, project, lane, ladder, dialect, requested_model, streamed, body_sha256, body_bytes, input_tokens_estimate, needs, plan_json, steps, decision, decision_reason, decision_index, served_attempt, verified, escalated, cost_nanousd, ended_by, phase, inbox, rung_version, resend_of, ungated, audit_of, conversation, agent, private, cached_of, category, difficulty, propensity, traits_json) VALUES (:id, :started_unix, :seconds, :project, :lane, :ladder, :dialect, :requested_model, :streamed, :body_sha256, :body_bytes, :input_tokens_estimate, :needs, :plan_json, :steps, :decision, :decision_reason, :decision_index, :served_attempt, :verified, :escalated, :cost_nanousd, :ended_by, :phase, :inbox, :rung_version, :resend_of, :ungated, :audit_of, :conversation, :agent, :private, :cached_of, :category, :difficulty, :propensity, :traits_json);

-- add to routers
INSERT INTO routers (id, created_unix, ladder, model_json, report_json) VALUES (:id, :created_unix, :ladder, :model_json, :report_json);

-- add to speeds
INSERT INTO speeds (id, created_unix, tier, model, speed_json) VALUES (:id, :created_unix, :tier, :model, :speed_json);

-- insert attempts
INSERT INTO attempts (request_id, position, id, tier, step, model, kind, started_at, ended_at, load_seconds, first_token_seconds, failure_fault, failure_message, failure_status, retry_after_seconds, finish, answer_sha256, answer_bytes, gates, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, usage_source, cost_nanousd, price_source, price_json, ended_by, phase, released, losses_json, dialect, tool_calls, called_json, salvaged, local, beside, spared_tokens, queued_seconds, cache_write_1h_tokens) VALUES (:request_id, :position, :id, :tier, :step, :model, :kind, :started_at, :ended_at, :load_seconds, :first_token_seconds, :failure_fault, :failure_message, :failure_status, :retry_after_seconds, :finish, :answer_sha256, :answer_bytes, :gates, :input_tokens, :output_tokens, :cache_read_tokens, :cache_write_tokens, :reasoning_tokens, :usage_source, :cost_nanousd, :price_source, :price_json, :ended_by, :phase, :released, :losses_json, :dialect, :tool_calls, :called_json, :salvaged, :local, :beside, :spared_tokens, :queued_seconds, :cache_write_1h_tokens);

-- insert baselines
INSERT INTO baselines (request_id, name, cost_nanousd) VALUES (:request_id, :name, :cost_nanousd);

-- insert inbox
INSERT INTO inbox (request_id, created_unix, state, request_json, answers_json) VALUES (:request_id, :created_unix, :state, :request_json, :answers_json);

-- add to closings
INSERT INTO closings (request_id, created_unix, state, text, attempt_position, verified, given_by, note) VALUES (:request_id, :created_unix, :state, :text, :attempt_position, :verified, :given_by, :note);

-- add to labels
INSERT INTO labels (id, request_id, attempt_position, is_right, source, given_by, note, created_unix) VALUES (:id, :request_id, :attempt_position, :is_right, :source, :given_by, :note, :created_unix);

-- insert verdicts
INSERT INTO verdicts (request_id, attempt_position, position, verifier, weight, status, reason, trust, score, seconds, at, vacuous, says, cost_nanousd, left_machine) VALUES (:request_id, :attempt_position, :position, :verifier, :weight, :status, :reason, :trust, :score, :seconds, :at, :vacuous, :says, :cost_nanousd, :left_machine);

-- requests of
SELECT requests.id, requests.started_unix, requests.seconds, requests.project, requests.lane, requests.ladder, requests.dialect, requests.requested_model, requests.streamed, requests.body_sha256, requests.body_bytes, requests.input_tokens_estimate, requests.needs, requests.plan_json, requests.steps, requests.decision, requests.decision_reason, requests.decision_index, requests.served_attempt, requests.verified, requests.escalated, requests.cost_nanousd, requests.ended_by, requests.phase, requests.inbox, requests.rung_version, requests.resend_of, requests.ungated, requests.audit_of, requests.conversation, requests.agent, requests.private, requests.cached_of, requests.category, requests.difficulty, requests.propensity, requests.traits_json
FROM requests
WHERE requests.id IN (SELECT anon_1.value
FROM json_each(:ids) AS anon_1) ORDER BY requests.id;

-- attempts of
SELECT attempts.request_id, attempts.position, attempts.id, attempts.tier, attempts.step, attempts.model, attempts.kind, attempts.started_at, attempts.ended_at, attempts.load_seconds, attempts.first_token_seconds, attempts.failure_fault, attempts.failure_message, attempts.failure_status, attempts.retry_after_seconds, attempts.finish, attempts.answer_sha256, attempts.answer_bytes, attempts.gates, attempts.input_tokens, attempts.output_tokens, attempts.cache_read_tokens, attempts.cache_write_tokens, attempts.reasoning_tokens, attempts.usage_source, attempts.cost_nanousd, attempts.price_source, attempts.price_json, attempts.ended_by, attempts.phase, attempts.released, attempts.losses_json, attempts.dialect, attempts.tool_calls, attempts.called_json, attempts.salvaged, attempts.local, attempts.beside, attempts.spared_tokens, attempts.queued_seconds, attempts.cache_write_1h_tokens
FROM attempts
WHERE attempts.request_id IN (SELECT anon_1.value
FROM json_each(:ids) AS anon_1) ORDER BY attempts.request_id, attempts.position;

-- verdicts of
SELECT verdicts.request_id, verdicts.attempt_position, verdicts.position, verdicts.verifier, verdicts.weight, verdicts.status, verdicts.reason, verdicts.trust, verdicts.score, verdicts.seconds, verdicts.at, verdicts.vacuous, verdicts.says, verdicts.cost_nanousd, verdicts.left_machine
FROM verdicts
WHERE verdicts.request_id IN (SELECT anon_1.value
FROM json_each(:ids) AS anon_1) ORDER BY verdicts.request_id, verdicts.attempt_position, verdicts.position;

-- baselines of
SELECT baselines.request_id, baselines.name, baselines.cost_nanousd
FROM baselines
WHERE baselines.request_id IN (SELECT anon_1.value
FROM json_each(:ids) AS anon_1) ORDER BY baselines.request_id, baselines.name;

-- labels of
SELECT labels.id, labels.request_id, labels.attempt_position, labels.is_right, labels.source, labels.given_by, labels.note, labels.created_unix
FROM labels
WHERE labels.request_id IN (SELECT anon_1.value
FROM json_each(:ids) AS anon_1) ORDER BY labels.id;

-- closings of
SELECT closings.request_id, closings.created_unix, closings.state, closings.text, closings.attempt_position, closings.verified, closings.given_by, closings.note
FROM closings
WHERE closings.request_id IN (SELECT anon_1.value
FROM json_each(:ids) AS anon_1) ORDER BY closings.request_id;

-- climbs
SELECT attempts.request_id
FROM attempts JOIN requests ON requests.id = attempts.request_id
WHERE attempts.position = 1 AND requests.audit_of IS NULL ORDER BY attempts.request_id DESC
 LIMIT :limit OFFSET 0;

-- newest
SELECT requests.id
FROM requests
WHERE requests.audit_of IS NULL ORDER BY requests.started_unix DESC, requests.id DESC
 LIMIT :limit OFFSET 0;

-- conversation
SELECT requests.id
FROM requests
WHERE requests.conversation >= :low AND requests.conversation < :high AND requests.audit_of IS NULL ORDER BY requests.started_unix DESC, requests.id DESC
 LIMIT :limit OFFSET 0;

-- private within
SELECT requests.id
FROM requests
WHERE requests.conversation >= :low AND requests.conversation < :high AND requests.private IS NOT NULL
 LIMIT 1 OFFSET 0;

-- ids between
SELECT requests.id
FROM requests
WHERE requests.id >= :low AND requests.id < :high ORDER BY requests.id
 LIMIT :limit OFFSET 0;

-- ids before
SELECT requests.id
FROM requests
WHERE requests.id < :low ORDER BY requests.id DESC
 LIMIT :limit OFFSET 0;

-- inbox items
SELECT inbox.request_id, inbox.created_unix, inbox.state, requests.inbox AS asked
FROM inbox JOIN requests ON requests.id = inbox.request_id ORDER BY inbox.created_unix, inbox.request_id;

-- inbox entry
SELECT inbox.request_id, inbox.created_unix, inbox.state, inbox.request_json, inbox.answers_json, requests.inbox AS asked
FROM inbox JOIN requests ON requests.id = inbox.request_id
WHERE inbox.request_id = :id;

-- close
UPDATE inbox SET state=:to WHERE inbox.request_id = :id AND inbox.state = 'open';

-- newest calibrations
SELECT calibrations.id, calibrations.created_unix, calibrations.ladder, calibrations.tier, calibrations.calibration_json, calibrations.report_json
FROM calibrations ORDER BY calibrations.id DESC;

-- newest labels
SELECT labels.id, labels.request_id, labels.attempt_position, labels.is_right, labels.source, labels.given_by, labels.note, labels.created_unix
FROM labels ORDER BY labels.id DESC
 LIMIT :limit OFFSET 0;

-- trials
SELECT requests.id, requests.ladder, requests.served_attempt, requests.verified, requests.category, requests.propensity, requests.traits_json, attempts.position, attempts.tier, attempts.failure_fault, attempts.beside, attempts.started_at, attempts.ended_at, attempts.answer_sha256 IS NOT NULL AS answered, attempts.cost_nanousd + (SELECT coalesce(sum(verdicts.cost_nanousd), 0) AS coalesce_1
FROM verdicts
WHERE verdicts.request_id = attempts.request_id AND verdicts.attempt_position = attempts.position) AS cost_nanousd
FROM attempts JOIN requests ON requests.id = attempts.request_id
WHERE requests.id IN (SELECT requests.id
FROM requests
WHERE requests.audit_of IS NULL AND requests.cached_of IS NULL AND requests.private IS NULL AND requests.resend_of IS NULL AND requests.started_unix >= :since ORDER BY requests.id DESC
 LIMIT :limit OFFSET 0) ORDER BY requests.id, attempts.position;

-- trial labels
SELECT labels.id, labels.request_id, labels.attempt_position, labels.is_right, labels.source, labels.given_by, labels.note, labels.created_unix
FROM labels
WHERE labels.attempt_position IS NOT NULL ORDER BY labels.id;

-- newest routers
SELECT routers.id, routers.created_unix, routers.ladder, routers.model_json, routers.report_json
FROM routers ORDER BY routers.id DESC;

-- timed
SELECT newest.started_unix, attempts.tier, attempts.model, attempts.started_at, attempts.ended_at, attempts.load_seconds, attempts.queued_seconds, attempts.first_token_seconds, attempts.input_tokens, attempts.cache_read_tokens, attempts.output_tokens, attempts.failure_fault, attempts.phase
FROM (SELECT requests.id AS id, requests.started_unix AS started_unix
FROM requests
WHERE requests.cached_of IS NULL AND requests.ladder != 'rung:probe' ORDER BY requests.started_unix DESC
 LIMIT :limit OFFSET 0) AS newest JOIN attempts ON attempts.request_id = newest.id
WHERE attempts.beside IS 0 ORDER BY newest.started_unix DESC, attempts.position DESC;

-- newest speeds
SELECT speeds.id, speeds.created_unix, speeds.tier, speeds.model, speeds.speed_json
FROM speeds ORDER BY speeds.id DESC
 LIMIT :limit OFFSET 0;
