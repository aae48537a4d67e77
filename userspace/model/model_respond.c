/* respond: of routes: an answer that needs no endpoint, written or from a file. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "userspace/base/must.h"
#include "userspace/http/field.h"
#include "userspace/model/model_parts.h"

enum { TEXT_BYTES_MAX = 4096 };

struct respond {
	uint32_t status;
	const char *body;
	const char *type;
	struct fixed_answer *answer;
};

static void read_fields(struct reading *r, const struct key *key, const struct yaml *value,
			void *into)
{
	struct fixed_answer *answer = ((struct respond *)into)->answer;

	(void)key;
	if (!schema_is(r, value, YAML_MAP, "a map of fields and texts"))
		return;
	for (const struct yaml *v = value->first; v; v = v->next) {
		if (!is_field_value(v))
			finding(r, v->at, "expected the value of a field, found %s",
				schema_found(v));
		else if (!may_set_field(v->key) || strcasecmp(v->key, "content-type") == 0)
			finding(r, v->key_at, "the field \"%s\" is not one that may be set%s",
				v->key, strcasecmp(v->key, "content-type") ? "" : ": use \"type\"");
		else if (answer->field_count == ANSWER_FIELDS_MAX - 1) /* Content-Type */
			finding(r, v->key_at, "expected at most %d fields", ANSWER_FIELDS_MAX - 1);
		else
			answer->fields[answer->field_count++] =
				(struct field){ .name = span_of(v->key),
						.value = span_of(v->text) };
	}
}

static void read_type(struct reading *r, const struct key *key, const struct yaml *value,
		      void *into)
{
	(void)key;
	if (!is_field_value(value) || !strchr(value->text, '/'))
		finding(r, value->at,
			"expected a media type such as text/html for \"type\", found %s",
			schema_found(value));
	else
		*(const char **)into = value->text;
}

static void read_file(struct reading *r, const struct key *key, const struct yaml *value,
		      void *into)
{
	read_path_text(r, key, value, &((struct respond *)into)->answer->file);
}

const struct key respond_keys[] = {
	{ "status", read_number, offsetof(struct respond, status), 200, 599, true },
	{ "body", read_text, offsetof(struct respond, body), 0, TEXT_BYTES_MAX },
	{ "file", read_file },
	{ "type", read_type, offsetof(struct respond, type) },
	{ "headers", read_fields },
	{ 0 },
};

/* A special file could hold us up for ever. */
static ssize_t load(const char *path, char *bytes, size_t cap)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	ssize_t len;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		errno = EINVAL;
		return -1;
	}
	len = read(fd, bytes, cap);
	close(fd);
	return len;
}

/* What was read from that file before; at is NULL where it was not. */
static struct span read_before(const struct model *before, const char *file)
{
	for (uint32_t i = 0; before && i < before->table_count; i++)
		for (uint32_t k = 0; k < before->tables[i].count; k++) {
			const struct route *route = &before->tables[i].routes[k];

			if (route->action == ROUTE_RESPOND && route->answer->file &&
			    strcmp(route->answer->file, file) == 0)
				return route->answer->body;
		}
	return span_make(NULL, 0);
}

static void take_file(struct reading *r, struct place at, struct fixed_answer *answer)
{
	struct span before = read_before(building_of(r)->before, answer->file);
	char *bytes;
	ssize_t len;

	if (before.at) {
		answer->body = span_make(arena_text(r->arena, before), before.len);
		return;
	}
	bytes = must_alloc(ANSWER_BYTES_MAX + 1);
	len = load(answer->file, bytes, ANSWER_BYTES_MAX + 1);
	if (len < 0) {
		finding(r, at, "cannot read %s: %s", answer->file, strerror(errno));
	} else if (len > ANSWER_BYTES_MAX) {
		finding(r, at, "%s has more than %d bytes, which is the most for an answer",
			answer->file, ANSWER_BYTES_MAX);
	} else {
		char *kept = arena_take(r->arena, (size_t)len + 1);

		memcpy(kept, bytes, (size_t)len);
		answer->body = span_make(kept, (size_t)len);
	}
	free(bytes);
}

/* By the ending of a file's name; of text it is known how it is encoded. */
static const char *type_of(const char *file)
{
	static const char *const types[][2] = {
		{ ".html", "text/html; charset=utf-8" },
		{ ".htm", "text/html; charset=utf-8" },
		{ ".json", "application/json" },
		{ ".xml", "application/xml" },
		{ ".css", "text/css; charset=utf-8" },
		{ ".js", "text/javascript; charset=utf-8" },
		{ ".svg", "image/svg+xml" },
		{ ".ico", "image/x-icon" },
		{ ".png", "image/png" },
		{ ".txt", "text/plain; charset=utf-8" },
	};
	const char *end = strrchr(file, '.');

	for (size_t i = 0; end && i < ARRAY_LEN(types); i++)
		if (strcasecmp(end, types[i][0]) == 0)
			return types[i][1];
	return end && !strchr(end, '/') ? "application/octet-stream" : "text/plain; charset=utf-8";
}

static void check(struct reading *r, const struct yaml *value, const struct respond *respond)
{
	bool has_body = respond->body || respond->answer->file;

	if (respond->body && respond->answer->file)
		finding(r, value->at, "expected one of \"body\" and \"file\", found both");
	if (has_body && (respond->status == 204 || respond->status == 304))
		finding(r, value->at, "an answer with status %u has no body (RFC 9110, 6.4.1)",
			respond->status);
	if (respond->type && !has_body)
		finding(r, value->at, "\"type\" is that of a body, and there is none");
}

void read_respond(struct reading *r, const struct key *key, const struct yaml *value, void *into)
{
	struct fixed_answer *answer = arena_take(r->arena, sizeof(*answer));
	struct respond respond = { .status = 200, .answer = answer };
	struct route *route = into;

	(void)key;
	schema_read(r, respond_keys, value, &respond);
	check(r, value, &respond);
	if (respond.body)
		answer->body = span_of(respond.body);
	else if (answer->file)
		take_file(r, value->at, answer);
	if (!respond.type)
		respond.type = answer->file ? type_of(answer->file) : "text/plain; charset=utf-8";
	if (answer->body.len > 0)
		answer->fields[answer->field_count++] =
			(struct field){ .name = SPAN("Content-Type"),
					.value = span_of(respond.type) };
	route->action = ROUTE_RESPOND;
	route->status = (uint16_t)respond.status;
	route->answer = answer;
}
