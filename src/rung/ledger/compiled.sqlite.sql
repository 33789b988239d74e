-- create attempt_sums
CREATE TABLE attempt_sums (
	axis VARCHAR NOT NULL,
	hour BIGINT NOT NULL,
	gone BOOLEAN NOT NULL,
	name TEXT NOT NULL,
	attempts BIGINT NOT NULL,
	cost_nanousd BIGINT NOT NULL,
	wasted_nanousd BIGINT NOT NULL,
	wasted_us BIGINT NOT NULL,
	input_tokens BIGINT NOT NULL,
	output_tokens BIGINT NOT NULL,
	cache_read_tokens BIGINT NOT NULL,
	cache_write_tokens BIGINT NOT NULL,
	reasoning_tokens BIGINT NOT NULL,
	image_tokens BIGINT NOT NULL,
	server_tools BIGINT NOT NULL,
	told_tokens BIGINT NOT NULL,
	cache_nanousd BIGINT NOT NULL,
	shortened_tokens BIGINT NOT NULL,
	shortened_nanousd BIGINT NOT NULL,
	estimated BIGINT NOT NULL,
	counted BIGINT NOT NULL,
	tool_answers BIGINT NOT NULL,
	salvaged BIGINT NOT NULL,
	lossy BIGINT NOT NULL,
	tool_failures BIGINT NOT NULL,
	failures BIGINT NOT NULL,
	served BIGINT NOT NULL,
	passed BIGINT NOT NULL,
	judged BIGINT NOT NULL,
	fallbacks BIGINT NOT NULL,
	checks_nanousd BIGINT NOT NULL,
	checks_wasted_nanousd BIGINT NOT NULL,
	steps BIGINT NOT NULL,
	PRIMARY KEY (axis, hour, gone, name)
)
 WITHOUT ROWID;

-- create budgets
CREATE TABLE budgets (
	scope VARCHAR NOT NULL,
	name TEXT NOT NULL,
	per VARCHAR NOT NULL,
	start_unix BIGINT NOT NULL,
	spent_nanousd BIGINT NOT NULL,
	held_nanousd BIGINT NOT NULL,
	PRIMARY KEY (scope, name, per, start_unix),
	CONSTRAINT start_unix_not_negative CHECK (start_unix >= 0),
	CONSTRAINT spent_nanousd_not_negative CHECK (spent_nanousd >= 0),
	CONSTRAINT held_nanousd_not_negative CHECK (held_nanousd >= 0)
)
 WITHOUT ROWID;

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

-- create certificates
CREATE TABLE certificates (
	id INTEGER NOT NULL,
	created_unix FLOAT NOT NULL,
	ladder TEXT NOT NULL,
	certificate_json TEXT NOT NULL,
	PRIMARY KEY (id),
	CONSTRAINT created_unix_not_negative CHECK (created_unix >= 0)
);

-- create events
CREATE TABLE events (
	id INTEGER NOT NULL,
	created_unix FLOAT NOT NULL,
	kind VARCHAR NOT NULL,
	name TEXT NOT NULL,
	detail_json TEXT NOT NULL,
	PRIMARY KEY (id),
	CONSTRAINT created_unix_not_negative CHECK (created_unix >= 0),
	CONSTRAINT events_once UNIQUE (kind, name)
);

-- create holds
CREATE TABLE holds (
	id VARCHAR NOT NULL,
	request_id VARCHAR NOT NULL,
	process_id VARCHAR NOT NULL,
	created_unix FLOAT NOT NULL,
	amount_nanousd BIGINT NOT NULL,
	caps_json TEXT NOT NULL,
	about_json TEXT NOT NULL,
	state VARCHAR NOT NULL,
	settled_nanousd BIGINT,
	settled_unix FLOAT,
	PRIMARY KEY (id),
	CONSTRAINT state_is_known CHECK (state IN ('open', 'settled', 'unknown', 'void')),
	CONSTRAINT open_is_not_settled CHECK ((state = 'open') = (settled_nanousd IS NULL)),
	CONSTRAINT created_unix_not_negative CHECK (created_unix >= 0),
	CONSTRAINT amount_nanousd_not_negative CHECK (amount_nanousd >= 0),
	CONSTRAINT settled_nanousd_not_negative CHECK (settled_nanousd >= 0)
)
 WITHOUT ROWID;

-- create holds_by_request
CREATE INDEX holds_by_request ON holds (request_id);

-- create holds_open
CREATE INDEX holds_open ON holds (process_id) WHERE state = 'open';

-- create keys
CREATE TABLE keys (
	id VARCHAR NOT NULL,
	parent_id VARCHAR,
	name TEXT NOT NULL,
	secret_sha256 VARCHAR(64) NOT NULL,
	hint VARCHAR NOT NULL,
	previous_sha256 VARCHAR(64),
	previous_until_unix FLOAT,
	created_unix FLOAT NOT NULL,
	expires_unix FLOAT,
	revoked_unix FLOAT,
	rights_json TEXT NOT NULL,
	PRIMARY KEY (id),
	CONSTRAINT created_unix_not_negative CHECK (created_unix >= 0),
	CONSTRAINT expires_unix_not_negative CHECK (expires_unix >= 0),
	CONSTRAINT revoked_unix_not_negative CHECK (revoked_unix >= 0),
	CONSTRAINT previous_until_unix_not_negative CHECK (previous_until_unix >= 0),
	FOREIGN KEY(parent_id) REFERENCES keys (id),
	UNIQUE (secret_sha256),
	UNIQUE (previous_sha256)
)
 WITHOUT ROWID;

-- create notices
CREATE TABLE notices (
	topic VARCHAR NOT NULL,
	name TEXT NOT NULL,
	value_json TEXT NOT NULL,
	updated_unix FLOAT NOT NULL,
	process_id VARCHAR NOT NULL,
	PRIMARY KEY (topic, name),
	CONSTRAINT updated_unix_not_negative CHECK (updated_unix >= 0)
)
 WITHOUT ROWID;

-- create once
CREATE TABLE once (
	scope VARCHAR NOT NULL,
	key_sha256 VARCHAR(64) NOT NULL,
	body_sha256 VARCHAR(64) NOT NULL,
	state VARCHAR NOT NULL,
	request_id VARCHAR NOT NULL,
	process_id VARCHAR NOT NULL,
	created_unix FLOAT NOT NULL,
	expires_unix FLOAT NOT NULL,
	status INTEGER,
	headers_json TEXT,
	body BLOB,
	PRIMARY KEY (scope, key_sha256),
	CONSTRAINT state_is_known CHECK (state IN ('running', 'done')),
	CONSTRAINT created_unix_not_negative CHECK (created_unix >= 0),
	CONSTRAINT expires_unix_not_negative CHECK (expires_unix >= 0),
	CONSTRAINT status_not_negative CHECK (status >= 0)
)
 WITHOUT ROWID;

-- create once_by_end
CREATE INDEX once_by_end ON once (expires_unix);

-- create plans
CREATE TABLE plans (
	id VARCHAR NOT NULL,
	shared_json TEXT NOT NULL,
	PRIMARY KEY (id)
)
 WITHOUT ROWID;

-- create prices
CREATE TABLE prices (
	id VARCHAR NOT NULL,
	source TEXT NOT NULL,
	price_json TEXT NOT NULL,
	first_unix FLOAT NOT NULL,
	PRIMARY KEY (id),
	CONSTRAINT first_unix_not_negative CHECK (first_unix >= 0)
)
 WITHOUT ROWID;

-- create processes
CREATE TABLE processes (
	id VARCHAR NOT NULL,
	host TEXT NOT NULL,
	pid BIGINT NOT NULL,
	started_unix FLOAT NOT NULL,
	beat_unix FLOAT NOT NULL,
	ended_unix FLOAT,
	PRIMARY KEY (id),
	CONSTRAINT started_unix_not_negative CHECK (started_unix >= 0),
	CONSTRAINT beat_unix_not_negative CHECK (beat_unix >= 0),
	CONSTRAINT ended_unix_not_negative CHECK (ended_unix >= 0)
)
 WITHOUT ROWID;

-- create rates
CREATE TABLE rates (
	key_id VARCHAR NOT NULL,
	window_unix BIGINT NOT NULL,
	requests BIGINT NOT NULL,
	tokens BIGINT NOT NULL,
	PRIMARY KEY (key_id, window_unix),
	CONSTRAINT window_unix_not_negative CHECK (window_unix >= 0),
	CONSTRAINT requests_not_negative CHECK (requests >= 0),
	CONSTRAINT tokens_not_negative CHECK (tokens >= 0)
)
 WITHOUT ROWID;

-- create request_sums
CREATE TABLE request_sums (
	axis VARCHAR NOT NULL,
	hour BIGINT NOT NULL,
	gone BOOLEAN NOT NULL,
	name TEXT NOT NULL,
	rows BIGINT NOT NULL,
	requests BIGINT NOT NULL,
	resent BIGINT NOT NULL,
	answered BIGINT NOT NULL,
	verified BIGINT NOT NULL,
	flagged BIGINT NOT NULL,
	exhausted BIGINT NOT NULL,
	inbox BIGINT NOT NULL,
	by_human BIGINT NOT NULL,
	ungated BIGINT NOT NULL,
	recovered BIGINT NOT NULL,
	began_below BIGINT NOT NULL,
	climbed BIGINT NOT NULL,
	served_again BIGINT NOT NULL,
	spared_nanousd BIGINT NOT NULL,
	audited BIGINT NOT NULL,
	audit_calls BIGINT NOT NULL,
	audits_nanousd BIGINT NOT NULL,
	PRIMARY KEY (axis, hour, gone, name)
)
 WITHOUT ROWID;

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
	key_id VARCHAR,
	recovered BOOLEAN DEFAULT 0 NOT NULL,
	loop TEXT,
	plan_id VARCHAR,
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

-- create requests_by_first
CREATE INDEX requests_by_first ON requests (cached_of) WHERE cached_of IS NOT NULL;

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

-- create saving_sums
CREATE TABLE saving_sums (
	axis VARCHAR NOT NULL,
	hour BIGINT NOT NULL,
	gone BOOLEAN NOT NULL,
	name TEXT NOT NULL,
	baseline TEXT NOT NULL,
	requests BIGINT NOT NULL,
	baseline_nanousd BIGINT NOT NULL,
	spend_nanousd BIGINT NOT NULL,
	PRIMARY KEY (axis, hour, gone, name, baseline)
)
 WITHOUT ROWID;

-- create second_sums
CREATE TABLE second_sums (
	axis VARCHAR NOT NULL,
	hour BIGINT NOT NULL,
	gone BOOLEAN NOT NULL,
	name TEXT NOT NULL,
	bucket INTEGER NOT NULL,
	requests BIGINT NOT NULL,
	PRIMARY KEY (axis, hour, gone, name, bucket)
)
 WITHOUT ROWID;

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

-- create unsummed
CREATE TABLE unsummed (
	request_id VARCHAR NOT NULL,
	batch INTEGER,
	PRIMARY KEY (request_id)
)
 WITHOUT ROWID;

-- create unsummed_by_batch
CREATE INDEX unsummed_by_batch ON unsummed (batch) WHERE batch IS NOT NULL;

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
	price_id VARCHAR,
	image_tokens BIGINT DEFAULT 0 NOT NULL,
	server_tools BIGINT DEFAULT 0 NOT NULL,
	more_counts_json TEXT,
	reserved_nanousd BIGINT,
	drained BOOLEAN DEFAULT 0 NOT NULL,
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

-- create bodies
CREATE TABLE bodies (
	request_id VARCHAR NOT NULL,
	part VARCHAR NOT NULL,
	stored_unix FLOAT NOT NULL,
	encoding VARCHAR NOT NULL,
	body BLOB NOT NULL,
	PRIMARY KEY (request_id, part),
	CONSTRAINT stored_unix_not_negative CHECK (stored_unix >= 0),
	FOREIGN KEY(request_id) REFERENCES requests (id) ON DELETE CASCADE
);

-- create bodies_by_age
CREATE INDEX bodies_by_age ON bodies (stored_unix);

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

-- add to budgets
INSERT INTO budgets (scope, name, per, start_unix, spent_nanousd, held_nanousd) VALUES (:scope, :name, :per, :start_unix, :spent_nanousd, :held_nanousd);

-- add to calibrations
INSERT INTO calibrations (created_unix, ladder, tier, calibration_json, report_json) VALUES (:created_unix, :ladder, :tier, :calibration_json, :report_json) RETURNING id;

-- add to certificates
INSERT INTO certificates (created_unix, ladder, certificate_json) VALUES (:created_unix, :ladder, :certificate_json) RETURNING id;

-- add to events
INSERT INTO events (created_unix, kind, name, detail_json) VALUES (:created_unix, :kind, :name, :detail_json) RETURNING id;

-- add to holds
INSERT INTO holds (id, request_id, process_id, created_unix, amount_nanousd, caps_json, about_json, state, settled_nanousd, settled_unix) VALUES (:id, :request_id, :process_id, :created_unix, :amount_nanousd, :caps_json, :about_json, :state, :settled_nanousd, :settled_unix);

-- add to keys
INSERT INTO keys (id, parent_id, name, secret_sha256, hint, previous_sha256, previous_until_unix, created_unix, expires_unix, revoked_unix, rights_json) VALUES (:id, :parent_id, :name, :secret_sha256, :hint, :previous_sha256, :previous_until_unix, :created_unix, :expires_unix, :revoked_unix, :rights_json);

-- add to notices
INSERT INTO notices (topic, name, value_json, updated_unix, process_id) VALUES (:topic, :name, :value_json, :updated_unix, :process_id);

-- add to once
INSERT INTO once (scope, key_sha256, body_sha256, state, request_id, process_id, created_unix, expires_unix, status, headers_json, body) VALUES (:scope, :key_sha256, :body_sha256, :state, :request_id, :process_id, :created_unix, :expires_unix, :status, :headers_json, :body);

-- add to plans
INSERT INTO plans (id, shared_json) VALUES (:id, :shared_json);

-- add to prices
INSERT INTO prices (id, source, price_json, first_unix) VALUES (:id, :source, :price_json, :first_unix);

-- add to processes
INSERT INTO processes (id, host, pid, started_unix, beat_unix, ended_unix) VALUES (:id, :host, :pid, :started_unix, :beat_unix, :ended_unix);

-- add to rates
INSERT INTO rates (key_id, window_unix, requests, tokens) VALUES (:key_id, :window_unix, :requests, :tokens);

-- insert requests
INSERT INTO requests (id, started_unix, seconds, project, lane, ladder, dialect, requested_model, streamed, body_sha256, body_bytes, input_tokens_estimate, needs, plan_json, steps, decision, decision_reason, decision_index, served_attempt, verified, escalated, cost_nanousd, ended_by, phase, inbox, rung_version, resend_of, ungated, audit_of, conversation, agent, private, cached_of, category, difficulty, propensity, traits_json, key_id, recovered, loop, plan_id) VALUES (:id, :started_unix, :seconds, :project, :lane, :ladder, :dialect, :requested_model, :streamed, :body_sha256, :body_bytes, :input_tokens_estimate, :needs, :plan_json, :steps, :decision, :decision_reason, :decision_index, :served_attempt, :verified, :escalated, :cost_nanousd, :ended_by, :phase, :inbox, :rung_version, :resend_of, :ungated, :audit_of, :conversation, :agent, :private, :cached_of, :category, :difficulty, :propensity, :traits_json, :key_id, :recovered, :loop, :plan_id);

-- add to routers
INSERT INTO routers (created_unix, ladder, model_json, report_json) VALUES (:created_unix, :ladder, :model_json, :report_json) RETURNING id;

-- add to speeds
INSERT INTO speeds (created_unix, tier, model, speed_json) VALUES (:created_unix, :tier, :model, :speed_json) RETURNING id;

-- add to unsummed
INSERT INTO unsummed (request_id, batch) VALUES (:request_id, :batch);

-- insert attempts
INSERT INTO attempts (request_id, position, id, tier, step, model, kind, started_at, ended_at, load_seconds, first_token_seconds, failure_fault, failure_message, failure_status, retry_after_seconds, finish, answer_sha256, answer_bytes, gates, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, usage_source, cost_nanousd, price_source, price_json, ended_by, phase, released, losses_json, dialect, tool_calls, called_json, salvaged, local, beside, spared_tokens, queued_seconds, cache_write_1h_tokens, price_id, image_tokens, server_tools, more_counts_json, reserved_nanousd, drained) VALUES (:request_id, :position, :id, :tier, :step, :model, :kind, :started_at, :ended_at, :load_seconds, :first_token_seconds, :failure_fault, :failure_message, :failure_status, :retry_after_seconds, :finish, :answer_sha256, :answer_bytes, :gates, :input_tokens, :output_tokens, :cache_read_tokens, :cache_write_tokens, :reasoning_tokens, :usage_source, :cost_nanousd, :price_source, :price_json, :ended_by, :phase, :released, :losses_json, :dialect, :tool_calls, :called_json, :salvaged, :local, :beside, :spared_tokens, :queued_seconds, :cache_write_1h_tokens, :price_id, :image_tokens, :server_tools, :more_counts_json, :reserved_nanousd, :drained);

-- insert baselines
INSERT INTO baselines (request_id, name, cost_nanousd) VALUES (:request_id, :name, :cost_nanousd);

-- add to bodies
INSERT INTO bodies (request_id, part, stored_unix, encoding, body) VALUES (:request_id, :part, :stored_unix, :encoding, :body);

-- insert inbox
INSERT INTO inbox (request_id, created_unix, state, request_json, answers_json) VALUES (:request_id, :created_unix, :state, :request_json, :answers_json);

-- add to closings
INSERT INTO closings (request_id, created_unix, state, text, attempt_position, verified, given_by, note) VALUES (:request_id, :created_unix, :state, :text, :attempt_position, :verified, :given_by, :note);

-- add to labels
INSERT INTO labels (request_id, attempt_position, is_right, source, given_by, note, created_unix) VALUES (:request_id, :attempt_position, :is_right, :source, :given_by, :note, :created_unix) RETURNING id;

-- insert verdicts
INSERT INTO verdicts (request_id, attempt_position, position, verifier, weight, status, reason, trust, score, seconds, at, vacuous, says, cost_nanousd, left_machine) VALUES (:request_id, :attempt_position, :position, :verifier, :weight, :status, :reason, :trust, :score, :seconds, :at, :vacuous, :says, :cost_nanousd, :left_machine);

-- tell
INSERT INTO notices (topic, name, value_json, updated_unix, process_id) VALUES (:topic, :name, :value_json, ((julianday('now') - 2440587.5) * 86400.0), :process_id) ON CONFLICT (topic, name) DO UPDATE SET value_json = excluded.value_json, updated_unix = excluded.updated_unix, process_id = excluded.process_id;

-- wake listeners
SELECT pg_notify('rung_notices', :topic) AS pg_notify_1;

-- clock
SELECT ((julianday('now') - 2440587.5) * 86400.0) AS now;

-- notices since
SELECT notices.topic, notices.name, notices.value_json, notices.updated_unix, notices.process_id
FROM notices
WHERE notices.topic IN (SELECT value
FROM json_each(:topics) AS value) AND notices.updated_unix >= :since ORDER BY notices.updated_unix, notices.topic, notices.name;

-- forget notices
DELETE FROM notices WHERE notices.topic IN (SELECT value
FROM json_each(:topics) AS value) AND notices.updated_unix < :since;

-- all keys
SELECT keys.id, keys.parent_id, keys.name, keys.secret_sha256, keys.hint, keys.previous_sha256, keys.previous_until_unix, keys.created_unix, keys.expires_unix, keys.revoked_unix, keys.rights_json
FROM keys;

-- revoke key
UPDATE keys SET revoked_unix=:now WHERE keys.id = :key_id AND keys.revoked_unix IS NULL;

-- rotate key
UPDATE keys SET secret_sha256=:is_now, hint=:new_hint, previous_sha256=:was_before, previous_until_unix=:until WHERE keys.id = :key_id AND keys.secret_sha256 = :was AND keys.revoked_unix IS NULL;

-- use of keys
SELECT requests.key_id, count(*) AS requests, sum(requests.cost_nanousd) AS cost_nanousd, max(requests.started_unix) AS last_unix
FROM requests
WHERE requests.key_id IN (SELECT value
FROM json_each(:ids) AS value) GROUP BY requests.key_id;

-- keys stamp
SELECT notices.value_json
FROM notices
WHERE notices.topic = 'keys' AND notices.name = 'stamp';

-- count rates
INSERT INTO rates (key_id, window_unix, requests, tokens) VALUES (:key_id, :window_unix, :requests, :tokens) ON CONFLICT (key_id, window_unix) DO UPDATE SET requests = (rates.requests + excluded.requests), tokens = (rates.tokens + excluded.tokens);

-- rates since
SELECT rates.key_id, rates.window_unix, rates.requests, rates.tokens
FROM rates
WHERE rates.window_unix >= :since AND rates.key_id IN (SELECT value
FROM json_each(:ids) AS value);

-- forget rates
DELETE FROM rates WHERE rates.window_unix < :before;

-- claim once
INSERT INTO once (scope, key_sha256, body_sha256, state, request_id, process_id, created_unix, expires_unix) VALUES (:scope, :key_sha256, :body_sha256, 'running', :request_id, :process_id, :created_unix, :expires_unix) ON CONFLICT (scope, key_sha256) DO NOTHING;

-- once
SELECT once.scope, once.key_sha256, once.body_sha256, once.state, once.request_id, once.process_id, once.created_unix, once.expires_unix, once.status, once.headers_json, once.body
FROM once
WHERE once.scope = :in_scope AND once.key_sha256 = :key;

-- take over once
UPDATE once SET body_sha256=:body_sha256, state='running', request_id=:request_id, process_id=:process_id, created_unix=:created_unix, expires_unix=:expires_unix, status=NULL, headers_json=NULL, body=NULL WHERE once.scope = :in_scope AND once.key_sha256 = :key AND once.request_id = :was;

-- finish once
UPDATE once SET state='done', status=:status, headers_json=:headers_json, body=:body WHERE once.scope = :in_scope AND once.key_sha256 = :key AND once.request_id = :by_request AND once.state = 'running';

-- release once
DELETE FROM once WHERE once.scope = :in_scope AND once.key_sha256 = :key AND once.request_id = :by_request AND once.state = 'running';

-- note broken stream
INSERT INTO once (scope, key_sha256, body_sha256, state, request_id, process_id, created_unix, expires_unix) VALUES (:scope, :key_sha256, :body_sha256, 'done', :request_id, :process_id, :created_unix, :expires_unix) ON CONFLICT (scope, key_sha256) DO UPDATE SET request_id = excluded.request_id, process_id = excluded.process_id, created_unix = excluded.created_unix, expires_unix = excluded.expires_unix;

-- forget broken stream
DELETE FROM once WHERE once.scope = :in_scope AND once.key_sha256 = :key AND once.request_id = :by_request;

-- forget once
DELETE FROM once WHERE once.expires_unix < :now;

-- claiming process
SELECT processes.id, processes.host, processes.pid, processes.started_unix, processes.beat_unix, processes.ended_unix, processes.beat_unix < ((julianday('now') - 2440587.5) * 86400.0) - :seconds AS silent
FROM processes
WHERE processes.id = :of_process;

-- begin process
INSERT INTO processes (id, host, pid, started_unix, beat_unix) VALUES (:id, :host, :pid, ((julianday('now') - 2440587.5) * 86400.0), ((julianday('now') - 2440587.5) * 86400.0)) ON CONFLICT (id) DO UPDATE SET beat_unix = ((julianday('now') - 2440587.5) * 86400.0);

-- end process
UPDATE processes SET ended_unix=((julianday('now') - 2440587.5) * 86400.0) WHERE processes.id = :of_id;

-- suspects
SELECT processes.id, processes.host, processes.pid, processes.started_unix, processes.beat_unix, processes.ended_unix, processes.beat_unix < ((julianday('now') - 2440587.5) * 86400.0) - :seconds AS silent
FROM processes
WHERE processes.ended_unix IS NULL OR (EXISTS (SELECT *
FROM holds
WHERE holds.process_id = processes.id AND holds.state = 'open')) ORDER BY processes.id;

-- orphans
SELECT DISTINCT holds.process_id
FROM holds
WHERE holds.state = 'open' AND NOT (EXISTS (SELECT *
FROM processes
WHERE processes.id = holds.process_id)) AND holds.created_unix < ((julianday('now') - 2440587.5) * 86400.0) - :seconds ORDER BY holds.process_id;

-- forget processes
DELETE FROM processes WHERE processes.ended_unix < ((julianday('now') - 2440587.5) * 86400.0) - :seconds AND NOT (EXISTS (SELECT *
FROM holds
WHERE holds.process_id = processes.id AND holds.state = 'open'));

-- known requests
SELECT requests.id, requests.recovered
FROM requests
WHERE requests.id IN (SELECT value
FROM json_each(:ids) AS value);

-- drop recovered
DELETE FROM requests WHERE requests.id IN (SELECT value
FROM json_each(:ids) AS value) AND requests.recovered = 1;

-- recovered
SELECT requests.id
FROM requests
WHERE requests.recovered != 0 ORDER BY requests.id DESC
 LIMIT :limit OFFSET 0;

-- requests of
SELECT requests.id, requests.started_unix, requests.seconds, requests.project, requests.lane, requests.ladder, requests.dialect, requests.requested_model, requests.streamed, requests.body_sha256, requests.body_bytes, requests.input_tokens_estimate, requests.needs, requests.plan_json, requests.steps, requests.decision, requests.decision_reason, requests.decision_index, requests.served_attempt, requests.verified, requests.escalated, requests.cost_nanousd, requests.ended_by, requests.phase, requests.inbox, requests.rung_version, requests.resend_of, requests.ungated, requests.audit_of, requests.conversation, requests.agent, requests.private, requests.cached_of, requests.category, requests.difficulty, requests.propensity, requests.traits_json, requests.key_id, requests.recovered, requests.loop, requests.plan_id, plans.shared_json
FROM requests LEFT OUTER JOIN plans ON plans.id = requests.plan_id
WHERE requests.id IN (SELECT value
FROM json_each(:ids) AS value) ORDER BY requests.id;

-- attempts of
SELECT attempts.request_id, attempts.position, attempts.id, attempts.tier, attempts.step, attempts.model, attempts.kind, attempts.started_at, attempts.ended_at, attempts.load_seconds, attempts.first_token_seconds, attempts.failure_fault, attempts.failure_message, attempts.failure_status, attempts.retry_after_seconds, attempts.finish, attempts.answer_sha256, attempts.answer_bytes, attempts.gates, attempts.input_tokens, attempts.output_tokens, attempts.cache_read_tokens, attempts.cache_write_tokens, attempts.reasoning_tokens, attempts.usage_source, attempts.cost_nanousd, attempts.price_source, coalesce(prices.price_json, attempts.price_json) AS price_json, attempts.ended_by, attempts.phase, attempts.released, attempts.losses_json, attempts.dialect, attempts.tool_calls, attempts.called_json, attempts.salvaged, attempts.local, attempts.beside, attempts.spared_tokens, attempts.queued_seconds, attempts.cache_write_1h_tokens, attempts.price_id, attempts.image_tokens, attempts.server_tools, attempts.more_counts_json, attempts.reserved_nanousd, attempts.drained
FROM attempts LEFT OUTER JOIN prices ON prices.id = attempts.price_id
WHERE attempts.request_id IN (SELECT value
FROM json_each(:ids) AS value) ORDER BY attempts.request_id, attempts.position;

-- verdicts of
SELECT verdicts.request_id, verdicts.attempt_position, verdicts.position, verdicts.verifier, verdicts.weight, verdicts.status, verdicts.reason, verdicts.trust, verdicts.score, verdicts.seconds, verdicts.at, verdicts.vacuous, verdicts.says, verdicts.cost_nanousd, verdicts.left_machine
FROM verdicts
WHERE verdicts.request_id IN (SELECT value
FROM json_each(:ids) AS value) ORDER BY verdicts.request_id, verdicts.attempt_position, verdicts.position;

-- baselines of
SELECT baselines.request_id, baselines.name, baselines.cost_nanousd
FROM baselines
WHERE baselines.request_id IN (SELECT value
FROM json_each(:ids) AS value) ORDER BY baselines.request_id, baselines.name;

-- labels of
SELECT labels.id, labels.request_id, labels.attempt_position, labels.is_right, labels.source, labels.given_by, labels.note, labels.created_unix
FROM labels
WHERE labels.request_id IN (SELECT value
FROM json_each(:ids) AS value) ORDER BY labels.id;

-- closings of
SELECT closings.request_id, closings.created_unix, closings.state, closings.text, closings.attempt_position, closings.verified, closings.given_by, closings.note
FROM closings
WHERE closings.request_id IN (SELECT value
FROM json_each(:ids) AS value) ORDER BY closings.request_id;

-- note price
INSERT INTO prices (id, source, price_json, first_unix) VALUES (:id, :source, :price_json, :first_unix) ON CONFLICT (id) DO NOTHING;

-- store body
INSERT INTO bodies (request_id, part, stored_unix, encoding, body) VALUES (:request_id, :part, :stored_unix, :encoding, :body) ON CONFLICT (request_id, part) DO NOTHING;

-- bodies of
SELECT bodies.request_id, bodies.part, bodies.stored_unix, bodies.encoding, bodies.body
FROM bodies
WHERE bodies.request_id = :id ORDER BY bodies.part;

-- note plan
INSERT INTO plans (id, shared_json) VALUES (:id, :shared_json) ON CONFLICT (id) DO NOTHING;

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

-- request
SELECT requests.id
FROM requests
WHERE requests.id = :id;

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

-- newest certificates
SELECT certificates.id, certificates.created_unix, certificates.ladder, certificates.certificate_json
FROM certificates ORDER BY certificates.id DESC;

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

-- lock money
SELECT 0 AS money_lock_1;

-- newest level
SELECT budgets.start_unix, budgets.spent_nanousd, budgets.held_nanousd
FROM budgets
WHERE budgets.scope = :of_scope AND budgets.name = :of_name AND budgets.per = :of_per ORDER BY budgets.start_unix DESC
 LIMIT 1 OFFSET 0;

-- level
SELECT budgets.start_unix, budgets.spent_nanousd, budgets.held_nanousd
FROM budgets
WHERE budgets.scope = :of_scope AND budgets.name = :of_name AND budgets.per = :of_per AND budgets.start_unix = :of_start;

-- levels of
SELECT budgets.start_unix, budgets.spent_nanousd, budgets.held_nanousd
FROM budgets
WHERE budgets.scope = :of_scope AND budgets.name = :of_name AND budgets.per = :of_per ORDER BY budgets.start_unix DESC
 LIMIT :limit OFFSET 0;

-- levels since
SELECT budgets.name, budgets.start_unix, budgets.spent_nanousd, budgets.held_nanousd
FROM budgets
WHERE budgets.scope = :of_scope AND budgets.per = :of_per AND budgets.start_unix >= :since ORDER BY budgets.spent_nanousd DESC, budgets.name, budgets.start_unix;

-- fullest level
SELECT budgets.start_unix, budgets.spent_nanousd, budgets.held_nanousd
FROM budgets
WHERE budgets.scope = :of_scope AND budgets.per = :of_per AND budgets.start_unix = :of_start ORDER BY budgets.spent_nanousd + budgets.held_nanousd DESC
 LIMIT 1 OFFSET 0;

-- open counter
INSERT INTO budgets (scope, name, per, start_unix, spent_nanousd, held_nanousd) VALUES (:scope, :name, :per, :start_unix, :spent_nanousd, :held_nanousd) ON CONFLICT (scope, name, per, start_unix) DO NOTHING;

-- hold on counter
UPDATE budgets SET held_nanousd=(budgets.held_nanousd + :amount) WHERE budgets.scope = :of_scope AND budgets.name = :of_name AND budgets.per = :of_per AND budgets.start_unix = :of_start;

-- settle on counter
UPDATE budgets SET spent_nanousd=CASE WHEN (budgets.spent_nanousd + :more < 0) THEN 0 ELSE budgets.spent_nanousd + :more END, held_nanousd=CASE WHEN (budgets.held_nanousd - :released < 0) THEN 0 ELSE budgets.held_nanousd - :released END WHERE budgets.scope = :of_scope AND budgets.name = :of_name AND budgets.per = :of_per AND budgets.start_unix = :of_start RETURNING spent_nanousd, held_nanousd;

-- reset counter
UPDATE budgets SET spent_nanousd=0 WHERE budgets.scope = :of_scope AND budgets.name = :of_name AND budgets.per = :of_per AND budgets.start_unix = :of_start;

-- spent of total
SELECT coalesce(sum(requests.cost_nanousd), 0) AS cost_nanousd
FROM requests
WHERE requests.started_unix >= :since;

-- spent of project
SELECT coalesce(sum(requests.cost_nanousd), 0) AS cost_nanousd
FROM requests
WHERE requests.started_unix >= :since AND coalesce(requests.project, '') = :of_name;

-- spent of key
SELECT coalesce(sum(requests.cost_nanousd), 0) AS cost_nanousd
FROM requests
WHERE requests.started_unix >= :since AND coalesce(requests.key_id, '') = :of_name;

-- spent of conversation
SELECT coalesce(sum(requests.cost_nanousd), 0) AS cost_nanousd
FROM requests
WHERE requests.started_unix >= :since AND requests.conversation = :of_name;

-- open hold
INSERT INTO holds (id, request_id, process_id, created_unix, amount_nanousd, caps_json, about_json, state, settled_nanousd, settled_unix) VALUES (:id, :request_id, :process_id, :created_unix, :amount_nanousd, :caps_json, :about_json, :state, :settled_nanousd, :settled_unix) ON CONFLICT (id) DO NOTHING;

-- hold
SELECT holds.id, holds.request_id, holds.process_id, holds.created_unix, holds.amount_nanousd, holds.caps_json, holds.about_json, holds.state, holds.settled_nanousd, holds.settled_unix
FROM holds
WHERE holds.id = :of_id;

-- end hold
UPDATE holds SET state=:to, settled_nanousd=:cost, settled_unix=:now WHERE holds.id = :of_id AND holds.state = :was;

-- open holds
SELECT holds.id, holds.request_id, holds.process_id, holds.created_unix, holds.amount_nanousd, holds.caps_json, holds.about_json, holds.state, holds.settled_nanousd, holds.settled_unix
FROM holds
WHERE holds.state = 'open' AND holds.process_id = :of_process ORDER BY holds.created_unix, holds.id;

-- lost holds
SELECT holds.id, holds.request_id, holds.process_id, holds.created_unix, holds.amount_nanousd, holds.caps_json, holds.about_json, holds.state, holds.settled_nanousd, holds.settled_unix
FROM holds
WHERE holds.process_id = :of_process AND holds.state != 'open' AND holds.state != 'void' AND NOT (EXISTS (SELECT *
FROM requests
WHERE requests.id = holds.request_id)) ORDER BY holds.created_unix, holds.id;

-- unsettled holds of
SELECT holds.id
FROM holds
WHERE holds.request_id IN (SELECT value
FROM json_each(:ids) AS value) AND holds.state IN ('open', 'unknown');

-- cost of attempt
SELECT attempts.cost_nanousd
FROM attempts
WHERE attempts.id = :of_id;

-- forget holds
DELETE FROM holds WHERE holds.request_id IN (SELECT value
FROM json_each(:ids) AS value) AND holds.state IN ('settled', 'void');

-- tell once
INSERT INTO events (created_unix, kind, name, detail_json) VALUES (:created_unix, :kind, :name, :detail_json) ON CONFLICT (kind, name) DO NOTHING;

-- forget told
DELETE FROM events WHERE events.kind = :of_kind AND events.name = :of_name;

-- oldest requests
SELECT requests.id, requests.started_unix
FROM requests
WHERE requests.started_unix >= :after AND (requests.started_unix > :after OR requests.started_unix = :after AND requests.id > :after_id) AND requests.started_unix < :before AND NOT ((EXISTS (SELECT *
FROM inbox
WHERE inbox.request_id = requests.id AND inbox.state = 'open')) OR (EXISTS (SELECT *
FROM holds
WHERE holds.request_id = requests.id AND holds.state = 'open'))) ORDER BY requests.started_unix, requests.id
 LIMIT :most OFFSET 0;

-- needed among
SELECT requests.id
FROM requests
WHERE requests.id IN (SELECT value
FROM json_each(:ids) AS value) AND (requests.started_unix >= :before OR (EXISTS (SELECT *
FROM inbox
WHERE inbox.request_id = requests.id AND inbox.state = 'open')) OR (EXISTS (SELECT *
FROM holds
WHERE holds.request_id = requests.id AND holds.state = 'open')));

-- delete requests
DELETE FROM requests WHERE requests.id IN (SELECT value
FROM json_each(:ids) AS value);

-- delete bodies
DELETE FROM bodies WHERE bodies.stored_unix < :before AND bodies.request_id IN (SELECT bodies.request_id
FROM bodies
WHERE bodies.stored_unix < :before ORDER BY bodies.stored_unix
 LIMIT :most OFFSET 0);

-- delete ended holds
DELETE FROM holds WHERE holds.id IN (SELECT holds.id
FROM holds
WHERE holds.state != 'open' AND holds.created_unix < :before
 LIMIT :most OFFSET 0);

-- own retention
INSERT INTO notices (topic, name, value_json, updated_unix, process_id) VALUES ('retention', 'owner', '{}', ((julianday('now') - 2440587.5) * 86400.0), :of_process) ON CONFLICT (topic, name) DO UPDATE SET updated_unix = ((julianday('now') - 2440587.5) * 86400.0), process_id = excluded.process_id WHERE notices.process_id = :of_process OR notices.updated_unix < ((julianday('now') - 2440587.5) * 86400.0) - :seconds RETURNING process_id;

-- count kept
SELECT request_sums.gone, sum(request_sums.rows) AS requests
FROM request_sums
WHERE request_sums.axis = 'total' GROUP BY request_sums.gone;

-- count all unsummed
SELECT count(*) AS count_1
FROM unsummed;

-- size of tables
SELECT (SELECT page_count * page_size FROM pragma_page_count, pragma_page_size) AS table_bytes_1, 0 AS request_bytes_1;

-- first and last
SELECT min(requests.started_unix) AS first, max(requests.started_unix) AS last
FROM requests;

-- sum requests
WITH summed AS
(SELECT CAST(requests.started_unix / 3600 AS INTEGER) AS hour, coalesce('=' || requests.project, '') AS project, requests.lane AS lane, requests.ladder AS ladder, coalesce(requests.category, '') AS category, coalesce(requests.key_id, '') AS "key", count(*) AS rows, coalesce(sum(CASE WHEN (requests.audit_of IS NULL AND (requests.id NOT IN (SELECT replaced."key"
FROM json_each(:replaced) AS replaced))) THEN 1 ELSE 0 END), 0) AS requests, coalesce(sum(CASE WHEN (requests.id IN (SELECT replaced."key"
FROM json_each(:replaced) AS replaced)) THEN 1 ELSE 0 END), 0) AS resent, coalesce(sum(CASE WHEN (requests.audit_of IS NULL AND (requests.id NOT IN (SELECT replaced."key"
FROM json_each(:replaced) AS replaced)) AND requests.served_attempt IS NOT NULL) THEN 1 ELSE 0 END), 0) AS answered, coalesce(sum(CASE WHEN (requests.audit_of IS NULL AND (requests.id NOT IN (SELECT replaced."key"
FROM json_each(:replaced) AS replaced)) AND requests.served_attempt IS NOT NULL AND requests.verified IS 1) THEN 1 ELSE 0 END), 0) AS verified, coalesce(sum(CASE WHEN (requests.audit_of IS NULL AND (requests.id NOT IN (SELECT replaced."key"
FROM json_each(:replaced) AS replaced)) AND requests.served_attempt IS NOT NULL AND requests.verified IS 0) THEN 1 ELSE 0 END), 0) AS flagged, coalesce(sum(CASE WHEN (requests.audit_of IS NULL AND (requests.id NOT IN (SELECT replaced."key"
FROM json_each(:replaced) AS replaced)) AND requests.decision = 'exhausted') THEN 1 ELSE 0 END), 0) AS exhausted, coalesce(sum(CASE WHEN (requests.audit_of IS NULL AND (requests.id NOT IN (SELECT replaced."key"
FROM json_each(:replaced) AS replaced)) AND requests.inbox IS 1) THEN 1 ELSE 0 END), 0) AS inbox, coalesce(sum(CASE WHEN (requests.audit_of IS NULL AND (requests.id NOT IN (SELECT replaced."key"
FROM json_each(:replaced) AS replaced)) AND (EXISTS (SELECT *
FROM closings
WHERE closings.request_id = requests.id AND closings.state = 'answered'))) THEN 1 ELSE 0 END), 0) AS by_human, coalesce(sum(CASE WHEN (requests.audit_of IS NULL AND (requests.id NOT IN (SELECT replaced."key"
FROM json_each(:replaced) AS replaced)) AND requests.ungated IS 1) THEN 1 ELSE 0 END), 0) AS ungated, coalesce(sum(CASE WHEN (requests.recovered IS 1) THEN 1 ELSE 0 END), 0) AS recovered, coalesce(sum(CASE WHEN (requests.audit_of IS NULL AND (requests.id NOT IN (SELECT replaced."key"
FROM json_each(:replaced) AS replaced)) AND requests.cached_of IS NULL AND first_call.step < requests.steps - 1) THEN 1 ELSE 0 END), 0) AS began_below, coalesce(sum(CASE WHEN (requests.audit_of IS NULL AND (requests.id NOT IN (SELECT replaced."key"
FROM json_each(:replaced) AS replaced)) AND requests.cached_of IS NULL AND first_call.step < requests.steps - 1 AND requests.escalated IS 1) THEN 1 ELSE 0 END), 0) AS climbed, coalesce(sum(CASE WHEN (requests.audit_of IS NULL AND (requests.id NOT IN (SELECT replaced."key"
FROM json_each(:replaced) AS replaced)) AND requests.cached_of IS NOT NULL) THEN 1 ELSE 0 END), 0) AS served_again, coalesce(sum(CASE WHEN (requests.audit_of IS NULL AND (requests.id NOT IN (SELECT replaced."key"
FROM json_each(:replaced) AS replaced)) AND requests.cached_of IS NOT NULL) THEN coalesce(original.cost_nanousd, 0) ELSE 0 END), 0) AS spared_nanousd, coalesce(sum(CASE WHEN (requests.audit_of IS NOT NULL AND NOT (EXISTS (SELECT *
FROM requests AS earlier
WHERE earlier.audit_of = requests.audit_of AND earlier.id < requests.id))) THEN 1 ELSE 0 END), 0) AS audited, coalesce(sum(CASE WHEN (requests.audit_of IS NOT NULL) THEN (SELECT count(*) AS count_1
FROM attempts
WHERE attempts.request_id = requests.id) ELSE 0 END), 0) AS audit_calls, coalesce(sum(CASE WHEN (requests.audit_of IS NOT NULL) THEN requests.cost_nanousd ELSE 0 END), 0) AS audits_nanousd
FROM requests LEFT OUTER JOIN attempts AS first_call ON first_call.request_id = requests.id AND first_call.position = 0 LEFT OUTER JOIN requests AS original ON original.id = requests.cached_of
WHERE requests.id IN (SELECT unsummed.request_id
FROM unsummed
WHERE unsummed.batch IS NOT NULL) GROUP BY CAST(requests.started_unix / 3600 AS INTEGER), coalesce('=' || requests.project, ''), requests.lane, requests.ladder, coalesce(requests.category, ''), coalesce(requests.key_id, '')),
made AS
(SELECT axes.axis AS axis, summed.hour AS hour, CASE axes.axis WHEN 'project' THEN summed.project WHEN 'lane' THEN summed.lane WHEN 'ladder' THEN summed.ladder WHEN 'category' THEN summed.category WHEN 'key' THEN summed."key" ELSE '' END AS name, sum(summed.rows) AS rows, sum(summed.requests) AS requests, sum(summed.resent) AS resent, sum(summed.answered) AS answered, sum(summed.verified) AS verified, sum(summed.flagged) AS flagged, sum(summed.exhausted) AS exhausted, sum(summed.inbox) AS inbox, sum(summed.by_human) AS by_human, sum(summed.ungated) AS ungated, sum(summed.recovered) AS recovered, sum(summed.began_below) AS began_below, sum(summed.climbed) AS climbed, sum(summed.served_again) AS served_again, sum(summed.spared_nanousd) AS spared_nanousd, sum(summed.audited) AS audited, sum(summed.audit_calls) AS audit_calls, sum(summed.audits_nanousd) AS audits_nanousd
FROM summed JOIN (SELECT 'total' AS axis UNION ALL SELECT 'project' AS axis UNION ALL SELECT 'lane' AS axis UNION ALL SELECT 'ladder' AS axis UNION ALL SELECT 'category' AS axis UNION ALL SELECT 'key' AS axis) AS axes ON 1 = 1 GROUP BY axes.axis, summed.hour, CASE axes.axis WHEN 'project' THEN summed.project WHEN 'lane' THEN summed.lane WHEN 'ladder' THEN summed.ladder WHEN 'category' THEN summed.category WHEN 'key' THEN summed."key" ELSE '' END ORDER BY axes.axis, hour, name)
 INSERT INTO request_sums (axis, hour, name, gone, rows, requests, resent, answered, verified, flagged, exhausted, inbox, by_human, ungated, recovered, began_below, climbed, served_again, spared_nanousd, audited, audit_calls, audits_nanousd) SELECT made.axis, made.hour, made.name, :gone AS gone, made.rows * :sign AS rows, made.requests * :sign AS requests, made.resent * :sign AS resent, made.answered * :sign AS answered, made.verified * :sign AS verified, made.flagged * :sign AS flagged, made.exhausted * :sign AS exhausted, made.inbox * :sign AS inbox, made.by_human * :sign AS by_human, made.ungated * :sign AS ungated, made.recovered * :sign AS recovered, made.began_below * :sign AS began_below, made.climbed * :sign AS climbed, made.served_again * :sign AS served_again, made.spared_nanousd * :sign AS spared_nanousd, made.audited * :sign AS audited, made.audit_calls * :sign AS audit_calls, made.audits_nanousd * :sign AS audits_nanousd
FROM made ORDER BY made.axis, made.hour, made.name ON CONFLICT (axis, hour, gone, name) DO UPDATE SET rows = (request_sums.rows + excluded.rows), requests = (request_sums.requests + excluded.requests), resent = (request_sums.resent + excluded.resent), answered = (request_sums.answered + excluded.answered), verified = (request_sums.verified + excluded.verified), flagged = (request_sums.flagged + excluded.flagged), exhausted = (request_sums.exhausted + excluded.exhausted), inbox = (request_sums.inbox + excluded.inbox), by_human = (request_sums.by_human + excluded.by_human), ungated = (request_sums.ungated + excluded.ungated), recovered = (request_sums.recovered + excluded.recovered), began_below = (request_sums.began_below + excluded.began_below), climbed = (request_sums.climbed + excluded.climbed), served_again = (request_sums.served_again + excluded.served_again), spared_nanousd = (request_sums.spared_nanousd + excluded.spared_nanousd), audited = (request_sums.audited + excluded.audited), audit_calls = (request_sums.audit_calls + excluded.audit_calls), audits_nanousd = (request_sums.audits_nanousd + excluded.audits_nanousd);

-- sum attempts
WITH checked AS
(SELECT verdicts.request_id AS request_id, verdicts.attempt_position AS attempt_position, sum(verdicts.cost_nanousd) AS cost, sum(CASE WHEN (verdicts.verifier = 'tool_calls' AND verdicts.status = 'failed') THEN 1 ELSE 0 END) AS refused
FROM verdicts JOIN requests ON verdicts.request_id = requests.id
WHERE (verdicts.cost_nanousd > 0 OR verdicts.verifier = 'tool_calls' AND verdicts.status = 'failed') AND requests.id IN (SELECT unsummed.request_id
FROM unsummed
WHERE unsummed.batch IS NOT NULL) GROUP BY verdicts.request_id, verdicts.attempt_position),
summed AS
(SELECT CAST(requests.started_unix / 3600 AS INTEGER) AS hour, coalesce('=' || requests.project, '') AS project, requests.lane AS lane, requests.ladder AS ladder, coalesce(requests.category, '') AS category, coalesce(requests.key_id, '') AS "key", attempts.tier AS tier, coalesce(attempts.model, '') AS model, count(*) AS attempts, coalesce(sum(attempts.cost_nanousd), 0) AS cost_nanousd, coalesce(sum(CASE WHEN (requests.id IN (SELECT replaced."key"
FROM json_each(:replaced) AS replaced) OR requests.served_attempt IS NULL OR attempts.position != requests.served_attempt) THEN attempts.cost_nanousd ELSE 0 END), 0) AS wasted_nanousd, coalesce(sum(CASE WHEN (requests.id IN (SELECT replaced."key"
FROM json_each(:replaced) AS replaced) OR requests.served_attempt IS NULL OR attempts.position != requests.served_attempt) THEN CAST(min(max(attempts.ended_at - attempts.started_at, 0.0), 1e8) * 1e6 + 0.5 AS INTEGER) ELSE 0 END), 0) AS wasted_us, coalesce(sum(attempts.input_tokens), 0) AS input_tokens, coalesce(sum(attempts.output_tokens), 0) AS output_tokens, coalesce(sum(attempts.cache_read_tokens), 0) AS cache_read_tokens, coalesce(sum(attempts.cache_write_tokens), 0) AS cache_write_tokens, coalesce(sum(attempts.reasoning_tokens), 0) AS reasoning_tokens, coalesce(sum(attempts.image_tokens), 0) AS image_tokens, coalesce(sum(attempts.server_tools), 0) AS server_tools, coalesce(sum(CASE WHEN (attempts.usage_source = 'provider') THEN attempts.input_tokens ELSE 0 END), 0) AS told_tokens, coalesce(sum(CASE WHEN (attempts.cache_read_tokens + attempts.cache_write_tokens > 0) THEN (0 + attempts.cache_read_tokens * (coalesce(json_extract(coalesce(attempts.price_json, prices.price_json), '$.' || 'input_nanousd_per_mtok'), 0) - coalesce(json_extract(coalesce(attempts.price_json, prices.price_json), '$.' || 'cache_read_nanousd_per_mtok'), json_extract(coalesce(attempts.price_json, prices.price_json), '$.' || 'input_nanousd_per_mtok'), 0)) + (attempts.cache_write_tokens - attempts.cache_write_1h_tokens) * (coalesce(json_extract(coalesce(attempts.price_json, prices.price_json), '$.' || 'input_nanousd_per_mtok'), 0) - coalesce(json_extract(coalesce(attempts.price_json, prices.price_json), '$.' || 'cache_write_nanousd_per_mtok'), json_extract(coalesce(attempts.price_json, prices.price_json), '$.' || 'input_nanousd_per_mtok'), 0)) + attempts.cache_write_1h_tokens * (coalesce(json_extract(coalesce(attempts.price_json, prices.price_json), '$.' || 'input_nanousd_per_mtok'), 0) - coalesce(json_extract(coalesce(attempts.price_json, prices.price_json), '$.' || 'cache_write_1h_nanousd_per_mtok'), json_extract(coalesce(attempts.price_json, prices.price_json), '$.' || 'cache_write_nanousd_per_mtok'), json_extract(coalesce(attempts.price_json, prices.price_json), '$.' || 'input_nanousd_per_mtok'), 0))) / 1000000 ELSE 0 END), 0) AS cache_nanousd, coalesce(sum(CASE WHEN (attempts.usage_source != 'none') THEN attempts.spared_tokens ELSE 0 END), 0) AS shortened_tokens, coalesce(sum(CASE WHEN (attempts.spared_tokens > 0 AND attempts.input_tokens > 0) THEN (attempts.spared_tokens * ((((attempts.input_tokens - attempts.cache_read_tokens) - attempts.cache_write_tokens) * coalesce(json_extract(coalesce(attempts.price_json, prices.price_json), '$.' || 'input_nanousd_per_mtok'), 0) + attempts.cache_read_tokens * coalesce(json_extract(coalesce(attempts.price_json, prices.price_json), '$.' || 'cache_read_nanousd_per_mtok'), json_extract(coalesce(attempts.price_json, prices.price_json), '$.' || 'input_nanousd_per_mtok'), 0) + (attempts.cache_write_tokens - attempts.cache_write_1h_tokens) * coalesce(json_extract(coalesce(attempts.price_json, prices.price_json), '$.' || 'cache_write_nanousd_per_mtok'), json_extract(coalesce(attempts.price_json, prices.price_json), '$.' || 'input_nanousd_per_mtok'), 0) + attempts.cache_write_1h_tokens * coalesce(json_extract(coalesce(attempts.price_json, prices.price_json), '$.' || 'cache_write_1h_nanousd_per_mtok'), json_extract(coalesce(attempts.price_json, prices.price_json), '$.' || 'cache_write_nanousd_per_mtok'), json_extract(coalesce(attempts.price_json, prices.price_json), '$.' || 'input_nanousd_per_mtok'), 0)) / attempts.input_tokens)) / 1000000 ELSE 0 END), 0) AS shortened_nanousd, coalesce(sum(CASE WHEN (attempts.usage_source = 'estimated') THEN 1 ELSE 0 END), 0) AS estimated, coalesce(sum(CASE WHEN (attempts.usage_source != 'none') THEN 1 ELSE 0 END), 0) AS counted, coalesce(sum(CASE WHEN (attempts.tool_calls > 0) THEN 1 ELSE 0 END), 0) AS tool_answers, coalesce(sum(CASE WHEN (attempts.salvaged IS NOT NULL) THEN 1 ELSE 0 END), 0) AS salvaged, coalesce(sum(CASE WHEN (attempts.losses_json != '[]') THEN 1 ELSE 0 END), 0) AS lossy, coalesce(sum(coalesce(checked.refused, 0)), 0) AS tool_failures, coalesce(sum(CASE WHEN (attempts.answer_sha256 IS NULL) THEN 1 ELSE 0 END), 0) AS failures, coalesce(sum(CASE WHEN (requests.audit_of IS NULL AND (requests.id NOT IN (SELECT replaced."key"
FROM json_each(:replaced) AS replaced)) AND attempts.position = requests.served_attempt) THEN 1 ELSE 0 END), 0) AS served, coalesce(sum(CASE WHEN (attempts.gates = 'passed') THEN 1 ELSE 0 END), 0) AS passed, coalesce(sum(CASE WHEN (attempts.gates IS NOT NULL) THEN 1 ELSE 0 END), 0) AS judged, coalesce(sum(CASE WHEN (attempts.answer_sha256 IS NULL AND attempts.beside IS 0 AND (EXISTS (SELECT *
FROM attempts AS later
WHERE later.request_id = attempts.request_id AND later.position = attempts.position + 1 AND later.tier != attempts.tier))) THEN 1 ELSE 0 END), 0) AS fallbacks, coalesce(sum(coalesce(checked.cost, 0)), 0) AS checks_nanousd, coalesce(sum(CASE WHEN (requests.id IN (SELECT replaced."key"
FROM json_each(:replaced) AS replaced) OR requests.served_attempt IS NULL OR attempts.position != requests.served_attempt) THEN coalesce(checked.cost, 0) ELSE 0 END), 0) AS checks_wasted_nanousd, coalesce(sum(coalesce(attempts.step, 0)), 0) AS steps
FROM attempts JOIN requests ON attempts.request_id = requests.id LEFT OUTER JOIN checked ON checked.request_id = attempts.request_id AND checked.attempt_position = attempts.position LEFT OUTER JOIN prices ON prices.id = attempts.price_id
WHERE requests.audit_of IS NULL AND requests.cached_of IS NULL AND requests.id IN (SELECT unsummed.request_id
FROM unsummed
WHERE unsummed.batch IS NOT NULL) GROUP BY CAST(requests.started_unix / 3600 AS INTEGER), coalesce('=' || requests.project, ''), requests.lane, requests.ladder, coalesce(requests.category, ''), coalesce(requests.key_id, ''), attempts.tier, coalesce(attempts.model, '')),
made AS
(SELECT axes.axis AS axis, summed.hour AS hour, CASE axes.axis WHEN 'project' THEN summed.project WHEN 'lane' THEN summed.lane WHEN 'ladder' THEN summed.ladder WHEN 'category' THEN summed.category WHEN 'key' THEN summed."key" WHEN 'tier' THEN summed.tier WHEN 'model' THEN summed.model ELSE '' END AS name, sum(summed.attempts) AS attempts, sum(summed.cost_nanousd) AS cost_nanousd, sum(summed.wasted_nanousd) AS wasted_nanousd, sum(summed.wasted_us) AS wasted_us, sum(summed.input_tokens) AS input_tokens, sum(summed.output_tokens) AS output_tokens, sum(summed.cache_read_tokens) AS cache_read_tokens, sum(summed.cache_write_tokens) AS cache_write_tokens, sum(summed.reasoning_tokens) AS reasoning_tokens, sum(summed.image_tokens) AS image_tokens, sum(summed.server_tools) AS server_tools, sum(summed.told_tokens) AS told_tokens, sum(summed.cache_nanousd) AS cache_nanousd, sum(summed.shortened_tokens) AS shortened_tokens, sum(summed.shortened_nanousd) AS shortened_nanousd, sum(summed.estimated) AS estimated, sum(summed.counted) AS counted, sum(summed.tool_answers) AS tool_answers, sum(summed.salvaged) AS salvaged, sum(summed.lossy) AS lossy, sum(summed.tool_failures) AS tool_failures, sum(summed.failures) AS failures, sum(summed.served) AS served, sum(summed.passed) AS passed, sum(summed.judged) AS judged, sum(summed.fallbacks) AS fallbacks, sum(summed.checks_nanousd) AS checks_nanousd, sum(summed.checks_wasted_nanousd) AS checks_wasted_nanousd, sum(summed.steps) AS steps
FROM summed JOIN (SELECT 'total' AS axis UNION ALL SELECT 'project' AS axis UNION ALL SELECT 'lane' AS axis UNION ALL SELECT 'ladder' AS axis UNION ALL SELECT 'category' AS axis UNION ALL SELECT 'key' AS axis UNION ALL SELECT 'tier' AS axis UNION ALL SELECT 'model' AS axis) AS axes ON 1 = 1 GROUP BY axes.axis, summed.hour, CASE axes.axis WHEN 'project' THEN summed.project WHEN 'lane' THEN summed.lane WHEN 'ladder' THEN summed.ladder WHEN 'category' THEN summed.category WHEN 'key' THEN summed."key" WHEN 'tier' THEN summed.tier WHEN 'model' THEN summed.model ELSE '' END ORDER BY axes.axis, hour, name)
 INSERT INTO attempt_sums (axis, hour, name, gone, attempts, cost_nanousd, wasted_nanousd, wasted_us, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, image_tokens, server_tools, told_tokens, cache_nanousd, shortened_tokens, shortened_nanousd, estimated, counted, tool_answers, salvaged, lossy, tool_failures, failures, served, passed, judged, fallbacks, checks_nanousd, checks_wasted_nanousd, steps) SELECT made.axis, made.hour, made.name, :gone AS gone, made.attempts * :sign AS attempts, made.cost_nanousd * :sign AS cost_nanousd, made.wasted_nanousd * :sign AS wasted_nanousd, made.wasted_us * :sign AS wasted_us, made.input_tokens * :sign AS input_tokens, made.output_tokens * :sign AS output_tokens, made.cache_read_tokens * :sign AS cache_read_tokens, made.cache_write_tokens * :sign AS cache_write_tokens, made.reasoning_tokens * :sign AS reasoning_tokens, made.image_tokens * :sign AS image_tokens, made.server_tools * :sign AS server_tools, made.told_tokens * :sign AS told_tokens, made.cache_nanousd * :sign AS cache_nanousd, made.shortened_tokens * :sign AS shortened_tokens, made.shortened_nanousd * :sign AS shortened_nanousd, made.estimated * :sign AS estimated, made.counted * :sign AS counted, made.tool_answers * :sign AS tool_answers, made.salvaged * :sign AS salvaged, made.lossy * :sign AS lossy, made.tool_failures * :sign AS tool_failures, made.failures * :sign AS failures, made.served * :sign AS served, made.passed * :sign AS passed, made.judged * :sign AS judged, made.fallbacks * :sign AS fallbacks, made.checks_nanousd * :sign AS checks_nanousd, made.checks_wasted_nanousd * :sign AS checks_wasted_nanousd, made.steps * :sign AS steps
FROM made ORDER BY made.axis, made.hour, made.name ON CONFLICT (axis, hour, gone, name) DO UPDATE SET attempts = (attempt_sums.attempts + excluded.attempts), cost_nanousd = (attempt_sums.cost_nanousd + excluded.cost_nanousd), wasted_nanousd = (attempt_sums.wasted_nanousd + excluded.wasted_nanousd), wasted_us = (attempt_sums.wasted_us + excluded.wasted_us), input_tokens = (attempt_sums.input_tokens + excluded.input_tokens), output_tokens = (attempt_sums.output_tokens + excluded.output_tokens), cache_read_tokens = (attempt_sums.cache_read_tokens + excluded.cache_read_tokens), cache_write_tokens = (attempt_sums.cache_write_tokens + excluded.cache_write_tokens), reasoning_tokens = (attempt_sums.reasoning_tokens + excluded.reasoning_tokens), image_tokens = (attempt_sums.image_tokens + excluded.image_tokens), server_tools = (attempt_sums.server_tools + excluded.server_tools), told_tokens = (attempt_sums.told_tokens + excluded.told_tokens), cache_nanousd = (attempt_sums.cache_nanousd + excluded.cache_nanousd), shortened_tokens = (attempt_sums.shortened_tokens + excluded.shortened_tokens), shortened_nanousd = (attempt_sums.shortened_nanousd + excluded.shortened_nanousd), estimated = (attempt_sums.estimated + excluded.estimated), counted = (attempt_sums.counted + excluded.counted), tool_answers = (attempt_sums.tool_answers + excluded.tool_answers), salvaged = (attempt_sums.salvaged + excluded.salvaged), lossy = (attempt_sums.lossy + excluded.lossy), tool_failures = (attempt_sums.tool_failures + excluded.tool_failures), failures = (attempt_sums.failures + excluded.failures), served = (attempt_sums.served + excluded.served), passed = (attempt_sums.passed + excluded.passed), judged = (attempt_sums.judged + excluded.judged), fallbacks = (attempt_sums.fallbacks + excluded.fallbacks), checks_nanousd = (attempt_sums.checks_nanousd + excluded.checks_nanousd), checks_wasted_nanousd = (attempt_sums.checks_wasted_nanousd + excluded.checks_wasted_nanousd), steps = (attempt_sums.steps + excluded.steps);

-- sum savings
WITH stand_ins AS MATERIALIZED
(SELECT replaced."key" AS "key", replaced.value AS value
FROM json_each(:replaced) AS replaced),
summed AS
(SELECT amounts.hour AS hour, amounts.project AS project, amounts.lane AS lane, amounts.ladder AS ladder, amounts.category AS category, amounts."key" AS "key", amounts.baseline AS baseline, coalesce(sum(amounts.requests), 0) AS requests, coalesce(sum(amounts.baseline_nanousd), 0) AS baseline_nanousd, coalesce(sum(amounts.spend_nanousd), 0) AS spend_nanousd
FROM (SELECT CAST(requests.started_unix / 3600 AS INTEGER) AS hour, coalesce('=' || requests.project, '') AS project, requests.lane AS lane, requests.ladder AS ladder, coalesce(requests.category, '') AS category, coalesce(requests.key_id, '') AS "key", baselines.name AS baseline, 1 AS requests, baselines.cost_nanousd AS baseline_nanousd, requests.cost_nanousd AS spend_nanousd
FROM requests JOIN baselines ON baselines.request_id = requests.id
WHERE requests.audit_of IS NULL AND (requests.id NOT IN (SELECT replaced."key"
FROM json_each(:replaced) AS replaced)) AND requests.id IN (SELECT unsummed.request_id
FROM unsummed
WHERE unsummed.batch IS NOT NULL) UNION ALL SELECT CAST(whom.started_unix / 3600 AS INTEGER) AS hour, coalesce('=' || whom.project, '') AS project, whom.lane AS lane, whom.ladder AS ladder, coalesce(whom.category, '') AS category, coalesce(whom.key_id, '') AS "key", baselines.name AS baseline, 0 AS requests, 0 AS baseline_nanousd, requests.cost_nanousd AS spend_nanousd
FROM requests JOIN stand_ins ON requests.id = stand_ins."key" JOIN requests AS whom ON whom.id = stand_ins.value JOIN baselines ON baselines.request_id = whom.id
WHERE whom.audit_of IS NULL AND requests.id IN (SELECT unsummed.request_id
FROM unsummed
WHERE unsummed.batch IS NOT NULL) UNION ALL SELECT CAST(whom.started_unix / 3600 AS INTEGER) AS hour, coalesce('=' || whom.project, '') AS project, whom.lane AS lane, whom.ladder AS ladder, coalesce(whom.category, '') AS category, coalesce(whom.key_id, '') AS "key", baselines.name AS baseline, 0 AS requests, 0 AS baseline_nanousd, requests.cost_nanousd AS spend_nanousd
FROM requests LEFT OUTER JOIN stand_ins ON requests.audit_of = stand_ins."key" JOIN requests AS whom ON whom.id = coalesce(stand_ins.value, requests.audit_of) JOIN baselines ON baselines.request_id = whom.id
WHERE requests.audit_of IS NOT NULL AND whom.audit_of IS NULL AND requests.id IN (SELECT unsummed.request_id
FROM unsummed
WHERE unsummed.batch IS NOT NULL)) AS amounts GROUP BY amounts.hour, amounts.project, amounts.lane, amounts.ladder, amounts.category, amounts."key", amounts.baseline),
made AS
(SELECT axes.axis AS axis, summed.hour AS hour, CASE axes.axis WHEN 'project' THEN summed.project WHEN 'lane' THEN summed.lane WHEN 'ladder' THEN summed.ladder WHEN 'category' THEN summed.category WHEN 'key' THEN summed."key" ELSE '' END AS name, summed.baseline AS baseline, sum(summed.requests) AS requests, sum(summed.baseline_nanousd) AS baseline_nanousd, sum(summed.spend_nanousd) AS spend_nanousd
FROM summed JOIN (SELECT 'total' AS axis UNION ALL SELECT 'project' AS axis UNION ALL SELECT 'lane' AS axis UNION ALL SELECT 'ladder' AS axis UNION ALL SELECT 'category' AS axis UNION ALL SELECT 'key' AS axis) AS axes ON 1 = 1 GROUP BY axes.axis, summed.hour, CASE axes.axis WHEN 'project' THEN summed.project WHEN 'lane' THEN summed.lane WHEN 'ladder' THEN summed.ladder WHEN 'category' THEN summed.category WHEN 'key' THEN summed."key" ELSE '' END, summed.baseline ORDER BY axes.axis, hour, name, summed.baseline)
 INSERT INTO saving_sums (axis, hour, name, baseline, gone, requests, baseline_nanousd, spend_nanousd) SELECT made.axis, made.hour, made.name, made.baseline, :gone AS gone, made.requests * :sign AS requests, made.baseline_nanousd * :sign AS baseline_nanousd, made.spend_nanousd * :sign AS spend_nanousd
FROM made ORDER BY made.axis, made.hour, made.name, made.baseline ON CONFLICT (axis, hour, gone, name, baseline) DO UPDATE SET requests = (saving_sums.requests + excluded.requests), baseline_nanousd = (saving_sums.baseline_nanousd + excluded.baseline_nanousd), spend_nanousd = (saving_sums.spend_nanousd + excluded.spend_nanousd);

-- sum seconds
WITH summed AS
(SELECT CAST(requests.started_unix / 3600 AS INTEGER) AS hour, coalesce('=' || requests.project, '') AS project, requests.lane AS lane, requests.ladder AS ladder, coalesce(requests.category, '') AS category, coalesce(requests.key_id, '') AS "key", CASE WHEN (CAST(min(max(requests.seconds, 0.0), 1e8) * 1e6 + 0.5 AS INTEGER) < 100) THEN CAST(min(max(requests.seconds, 0.0), 1e8) * 1e6 + 0.5 AS INTEGER) WHEN (CAST(substr(CAST(CAST(min(max(requests.seconds, 0.0), 1e8) * 1e6 + 0.5 AS INTEGER) AS TEXT), 1, 3) AS INTEGER) < 200) THEN length(CAST(CAST(min(max(requests.seconds, 0.0), 1e8) * 1e6 + 0.5 AS INTEGER) AS TEXT)) * 1000 + 0 + CAST(substr(CAST(CAST(min(max(requests.seconds, 0.0), 1e8) * 1e6 + 0.5 AS INTEGER) AS TEXT), 1, 3) AS INTEGER) / 2 WHEN (CAST(substr(CAST(CAST(min(max(requests.seconds, 0.0), 1e8) * 1e6 + 0.5 AS INTEGER) AS TEXT), 1, 3) AS INTEGER) < 500) THEN length(CAST(CAST(min(max(requests.seconds, 0.0), 1e8) * 1e6 + 0.5 AS INTEGER) AS TEXT)) * 1000 + 50 + CAST(substr(CAST(CAST(min(max(requests.seconds, 0.0), 1e8) * 1e6 + 0.5 AS INTEGER) AS TEXT), 1, 3) AS INTEGER) / 4 ELSE length(CAST(CAST(min(max(requests.seconds, 0.0), 1e8) * 1e6 + 0.5 AS INTEGER) AS TEXT)) * 1000 + 125 + CAST(substr(CAST(CAST(min(max(requests.seconds, 0.0), 1e8) * 1e6 + 0.5 AS INTEGER) AS TEXT), 1, 3) AS INTEGER) / 10 END AS bucket, count(*) AS requests
FROM requests
WHERE requests.audit_of IS NULL AND (requests.id NOT IN (SELECT replaced."key"
FROM json_each(:replaced) AS replaced)) AND requests.id IN (SELECT unsummed.request_id
FROM unsummed
WHERE unsummed.batch IS NOT NULL) GROUP BY CAST(requests.started_unix / 3600 AS INTEGER), coalesce('=' || requests.project, ''), requests.lane, requests.ladder, coalesce(requests.category, ''), coalesce(requests.key_id, ''), CASE WHEN (CAST(min(max(requests.seconds, 0.0), 1e8) * 1e6 + 0.5 AS INTEGER) < 100) THEN CAST(min(max(requests.seconds, 0.0), 1e8) * 1e6 + 0.5 AS INTEGER) WHEN (CAST(substr(CAST(CAST(min(max(requests.seconds, 0.0), 1e8) * 1e6 + 0.5 AS INTEGER) AS TEXT), 1, 3) AS INTEGER) < 200) THEN length(CAST(CAST(min(max(requests.seconds, 0.0), 1e8) * 1e6 + 0.5 AS INTEGER) AS TEXT)) * 1000 + 0 + CAST(substr(CAST(CAST(min(max(requests.seconds, 0.0), 1e8) * 1e6 + 0.5 AS INTEGER) AS TEXT), 1, 3) AS INTEGER) / 2 WHEN (CAST(substr(CAST(CAST(min(max(requests.seconds, 0.0), 1e8) * 1e6 + 0.5 AS INTEGER) AS TEXT), 1, 3) AS INTEGER) < 500) THEN length(CAST(CAST(min(max(requests.seconds, 0.0), 1e8) * 1e6 + 0.5 AS INTEGER) AS TEXT)) * 1000 + 50 + CAST(substr(CAST(CAST(min(max(requests.seconds, 0.0), 1e8) * 1e6 + 0.5 AS INTEGER) AS TEXT), 1, 3) AS INTEGER) / 4 ELSE length(CAST(CAST(min(max(requests.seconds, 0.0), 1e8) * 1e6 + 0.5 AS INTEGER) AS TEXT)) * 1000 + 125 + CAST(substr(CAST(CAST(min(max(requests.seconds, 0.0), 1e8) * 1e6 + 0.5 AS INTEGER) AS TEXT), 1, 3) AS INTEGER) / 10 END),
made AS
(SELECT axes.axis AS axis, CASE WHEN (axes.axis = 'total') THEN summed.hour ELSE summed.hour - summed.hour % 24 END AS hour, CASE axes.axis WHEN 'project' THEN summed.project WHEN 'lane' THEN summed.lane WHEN 'ladder' THEN summed.ladder WHEN 'category' THEN summed.category WHEN 'key' THEN summed."key" ELSE '' END AS name, summed.bucket AS bucket, sum(summed.requests) AS requests
FROM summed JOIN (SELECT 'total' AS axis UNION ALL SELECT 'project' AS axis UNION ALL SELECT 'lane' AS axis UNION ALL SELECT 'ladder' AS axis UNION ALL SELECT 'category' AS axis UNION ALL SELECT 'key' AS axis) AS axes ON 1 = 1 GROUP BY axes.axis, CASE WHEN (axes.axis = 'total') THEN summed.hour ELSE summed.hour - summed.hour % 24 END, CASE axes.axis WHEN 'project' THEN summed.project WHEN 'lane' THEN summed.lane WHEN 'ladder' THEN summed.ladder WHEN 'category' THEN summed.category WHEN 'key' THEN summed."key" ELSE '' END, summed.bucket ORDER BY axes.axis, hour, name, summed.bucket)
 INSERT INTO second_sums (axis, hour, name, bucket, gone, requests) SELECT made.axis, made.hour, made.name, made.bucket, :gone AS gone, made.requests * :sign AS requests
FROM made ORDER BY made.axis, made.hour, made.name, made.bucket ON CONFLICT (axis, hour, gone, name, bucket) DO UPDATE SET requests = (second_sums.requests + excluded.requests);

-- fill batch
UPDATE unsummed SET batch=1 WHERE unsummed.request_id IN (SELECT unsummed.request_id
FROM unsummed
WHERE unsummed.batch IS NULL
 LIMIT :most OFFSET 0);

-- take into batch
UPDATE unsummed SET batch=1 WHERE unsummed.request_id IN (SELECT value
FROM json_each(:ids) AS value);

-- empty batch
DELETE FROM unsummed WHERE unsummed.batch IS NOT NULL;

-- release batch
UPDATE unsummed SET batch=NULL WHERE unsummed.batch IS NOT NULL;

-- hold unsummed
SELECT unsummed.request_id
FROM unsummed
WHERE unsummed.request_id IN (SELECT value
FROM json_each(:ids) AS value);

-- note all unsummed
INSERT INTO unsummed (request_id) SELECT requests.id
FROM requests
WHERE 1 = 1 ON CONFLICT DO NOTHING;

-- note unsummed
INSERT INTO unsummed (request_id) SELECT requests.id
FROM requests
WHERE requests.id IN (SELECT value
FROM json_each(:ids) AS value) ON CONFLICT DO NOTHING RETURNING request_id;

-- count unsummed
SELECT count(*) AS count_1
FROM (SELECT 1 AS anon_2
FROM unsummed
 LIMIT :most OFFSET 0) AS anon_1;

-- resends of batch
SELECT requests.id, requests.resend_of, requests.started_unix
FROM requests
WHERE requests.resend_of IS NOT NULL AND requests.id IN (SELECT unsummed.request_id
FROM unsummed
WHERE unsummed.batch IS NOT NULL) UNION ALL SELECT requests.id, requests.resend_of, requests.started_unix
FROM requests
WHERE requests.resend_of IS NOT NULL AND requests.resend_of IN (SELECT unsummed.request_id
FROM unsummed
WHERE unsummed.batch IS NOT NULL) UNION ALL SELECT requests.id, requests.resend_of, requests.started_unix
FROM requests
WHERE requests.resend_of IS NOT NULL AND requests.id IN (SELECT requests.audit_of
FROM requests
WHERE requests.id IN (SELECT unsummed.request_id
FROM unsummed
WHERE unsummed.batch IS NOT NULL) AND requests.audit_of IS NOT NULL) UNION ALL SELECT requests.id, requests.resend_of, requests.started_unix
FROM requests
WHERE requests.resend_of IS NOT NULL AND requests.resend_of IN (SELECT requests.audit_of
FROM requests
WHERE requests.id IN (SELECT unsummed.request_id
FROM unsummed
WHERE unsummed.batch IS NOT NULL) AND requests.audit_of IS NOT NULL);

-- resends among
SELECT requests.id, requests.resend_of, requests.started_unix
FROM requests
WHERE requests.resend_of IS NOT NULL AND (requests.id IN (SELECT value
FROM json_each(:ids) AS value) OR requests.resend_of IN (SELECT value
FROM json_each(:ids) AS value));

-- children of
SELECT requests.id
FROM requests
WHERE requests.resend_of IN (SELECT value
FROM json_each(:ids) AS value) UNION ALL SELECT requests.id
FROM requests
WHERE requests.audit_of IN (SELECT value
FROM json_each(:ids) AS value) UNION ALL SELECT requests.id
FROM requests
WHERE requests.cached_of IN (SELECT value
FROM json_each(:ids) AS value);

-- links of
SELECT requests.id, requests.resend_of, requests.audit_of, requests.cached_of
FROM requests
WHERE requests.id IN (SELECT value
FROM json_each(:ids) AS value) UNION ALL SELECT requests.id, requests.resend_of, requests.audit_of, requests.cached_of
FROM requests
WHERE requests.resend_of IN (SELECT value
FROM json_each(:ids) AS value) UNION ALL SELECT requests.id, requests.resend_of, requests.audit_of, requests.cached_of
FROM requests
WHERE requests.audit_of IN (SELECT value
FROM json_each(:ids) AS value) UNION ALL SELECT requests.id, requests.resend_of, requests.audit_of, requests.cached_of
FROM requests
WHERE requests.cached_of IN (SELECT value
FROM json_each(:ids) AS value);

-- create note_new_requests
CREATE TRIGGER note_new_requests AFTER INSERT ON requests BEGIN INSERT INTO unsummed (request_id) VALUES (new.id) ON CONFLICT DO NOTHING; END;
