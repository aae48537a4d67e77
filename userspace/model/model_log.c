/* log: and request_id: of listeners: what is said of requests, to whom, and what never is. */
#include <string.h>

#include "userspace/http/field.h"
#include "userspace/model/model_parts.h"

static void read_level(struct reading *r, const struct key *key, const struct yaml *value,
		       void *into)
{
	static const char *const names[] = { "error", "warning", "notice", "info", "debug", NULL };
	uint32_t word = word_of(r, key, value, names);

	if (word != UINT32_MAX)
		*(enum log_level *)into = (enum log_level)word;
}

static void read_access(struct reading *r, const struct key *key, const struct yaml *value,
			void *into)
{
	const char *text = value->kind == YAML_TEXT ? value->text : "";

	if (!strcmp(text, "off"))
		*(const char **)into = NULL;
	else if (!strncmp(text, "syslog:", 7) && (text[7] != '/' || strlen(text + 7) > 107))
		finding(r, value->at,
			"expected \"syslog:\" and the absolute path of a socket, of at most 107 "
			"bytes, found %s",
			schema_found(value));
	else if (!strcmp(text, "stdout") || !strncmp(text, "syslog:", 7))
		read_text(r, key, value, into);
	else
		read_path_text(r, key, value, into);
}

static void read_query(struct reading *r, const struct key *key, const struct yaml *value,
		       void *into)
{
	static const char *const names[] = { "show", "hide", NULL };
	uint32_t word = word_of(r, key, value, names);

	if (word != UINT32_MAX)
		*(bool *)into = word == 1;
}

/* Of those that are known to carry secrets, whatever else a name may stand for. */
static bool is_secret(const char *name)
{
	static const char *const parts[] = { "authorization", "authenticat", "cookie",   "token",
					     "secret",        "password",    "api-key",  "apikey",
					     "credential",    "session",     "signature" };
	char lower[128];
	size_t len = strlen(name);

	if (len >= sizeof(lower))
		return true;
	for (size_t i = 0; i <= len; i++)
		lower[i] = span_lower(name[i]);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (strstr(lower, parts[i]))
			return true;
	return false;
}

static bool is_name(const char *text)
{
	return *text && span_is_all(span_of(text), BYTE_TOKEN);
}

static void read_headers(struct reading *r, const struct key *key, const struct yaml *value,
			 void *into)
{
	struct log_config *log = into;

	(void)key;
	if (!schema_is(r, value, YAML_LIST, "a list of header fields such as [User-Agent]"))
		return;
	for (const struct yaml *v = value->first; v; v = v->next) {
		if (v->kind != YAML_TEXT || !is_name(v->text))
			finding(r, v->at, "expected the name of a header field, found %s",
				schema_found(v));
		else if (is_secret(v->text))
			finding(r, v->at, "\"%s\" may hold a secret and is never logged", v->text);
		else if (log->header_count == LOG_HEADERS_MAX)
			finding(r, v->at, "expected at most %d header fields", LOG_HEADERS_MAX);
		else
			log->headers[log->header_count++] = v->text;
	}
}

const struct key log_keys[] = {
	{ "level", read_level, offsetof(struct log_config, level) },
	{ "access", read_access, offsetof(struct log_config, access) },
	{ "query", read_query, offsetof(struct log_config, hide_query) },
	{ "headers", read_headers, .max = LOG_HEADERS_MAX },
	{ 0 },
};

void build_log(struct building *b, const struct yaml *section)
{
	b->model->log.level = LOG_INFO;
	if (section)
		schema_read(&b->reading, log_keys, section, &b->model->log);
}

/* --- request_id ----------------------------------------------------------------------------- */

const struct listener_request_id default_request_id = { .take = REQUEST_ID_TRUSTED,
							.header = "X-Request-ID",
							.forward = true };

static void read_take(struct reading *r, const struct key *key, const struct yaml *value,
		      void *into)
{
	static const char *const names[] = { "none", "trusted", "any", NULL };
	uint32_t word = word_of(r, key, value, names);

	if (word != UINT32_MAX)
		*(enum request_id_take *)into = (enum request_id_take)word;
}

static void read_header(struct reading *r, const struct key *key, const struct yaml *value,
			void *into)
{
	const char *text = NULL;

	read_text(r, key, value, &text);
	if (!text)
		return;
	if (!is_name(text) || field_identify(span_of(text)) != FIELD_OTHER ||
	    field_is_forbidden_trailer(span_of(text)))
		finding(r, value->at,
			"expected a header field that has no other meaning, such as X-Request-ID, "
			"found %s",
			schema_found(value));
	else
		*(const char **)into = text;
}

const struct key request_id_keys[] = {
	{ "take", read_take, offsetof(struct listener_request_id, take) },
	{ "header", read_header, offsetof(struct listener_request_id, header) },
	{ "forward", read_bool, offsetof(struct listener_request_id, forward) },
	{ "return", read_bool, offsetof(struct listener_request_id, answer) },
	{ 0 },
};

void read_request_id(struct reading *r, const struct key *key, const struct yaml *value, void *into)
{
	struct listener_request_id *id = into;

	(void)key;
	id->given = true;
	schema_read(r, request_id_keys, value, id);
}
