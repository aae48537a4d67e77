/*
 * flows export, import, forget, resume: docs/splicing.md, Moving.
 *
 * The daemon freezes and enters; the table itself is read here, and the file read and written.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/shuntctl/command.h"
#include "userspace/base/addr.h"
#include "userspace/base/clock.h"
#include "userspace/base/must.h"
#include "userspace/control/admin_request.h"
#include "userspace/control/flow_file.h"
#include "userspace/control/flows.h"

enum {
	CHUNK_MAX = ADMIN_BODY_MAX - FLOW_FILE_LINE_MAX,
	REFUSED_SHOWN_MAX = 10,
	TARGET_MAX = 160,
	PATH_BYTES_MAX = 4096,
};

#define FILE_BYTES_MAX (2ull << 30)

static long long integer(const json_t *from, const char *name)
{
	return json_integer_value(json_object_get(from, name));
}

/* The answer as JSON; NULL and *err. */
static json_t *post(const struct command_options *options, const char *what, const char *query,
		    const char *body, struct err *err)
{
	char target[TARGET_MAX], *text;
	json_t *answer;

	snprintf(target, sizeof(target), "/flows/%s?%s", what, query);
	text = admin_post(&options->admin, target, body, err);
	if (!text)
		return NULL;
	answer = json_loads(text, 0, NULL);
	if (!answer)
		err_set(err, "what shuntd answered is no JSON");
	free(text);
	return answer;
}

struct query {
	char text[ADDR_TEXT_MAX + 8];
};

/* Which flows; all where no vip is given. */
static bool query_of(const struct command_options *options, struct addr *out_vip,
		     struct query *out_query, struct err *err)
{
	*out_vip = (struct addr){ 0 };
	snprintf(out_query->text, sizeof(out_query->text), "all");
	if (!options->vip)
		return true;
	if (!addr_parse_ip(span_of(options->vip), out_vip) &&
	    !addr_parse(span_of(options->vip), out_vip))
		return err_set(err,
			       "\"%s\" is no vip; it is an address with or without a port, such as "
			       "203.0.113.10:443 or 2001:db8::10",
			       options->vip);
	snprintf(out_query->text, sizeof(out_query->text), "vip=%s", addr_print(out_vip).text);
	return true;
}

static int say(const struct command_options *options, json_t *answer, const char *done)
{
	char *text = json_dumps(answer, JSON_INDENT(2) | JSON_PRESERVE_ORDER);

	if (options->json)
		puts(text ? text : "{}");
	else
		printf("%lld flows %s\n", integer(answer, "flows"), done);
	free(text);
	json_decref(answer);
	return EXIT_DONE;
}

/* --- export ----------------------------------------------------------------------------- */

static bool is_meant(const struct splice *sp, const struct addr *vip)
{
	const struct flow_key *key = &sp->dir[1].out;

	if (sp->state != SPLICE_MOVED)
		return false;
	return !vip->ip[3] || (memcmp(key->src, vip->ip, sizeof(vip->ip)) == 0 &&
			       (!vip->port || vip->port == key->sport));
}

static bool put(FILE *out, char *line)
{
	bool good = line && fputs(line, out) >= 0;

	free(line);
	return good;
}

/* What a bucket lets through, in bytes a second; 0: it is none. */
static uint64_t rate_of(int table, uint32_t pays, struct splice_rate *rate)
{
	uint32_t i = pays - 1;
	struct splice sp;

	if (!pays || bpf_map_lookup_elem(table, &i, &sp) != 0 || sp.state != SPLICE_BUCKET ||
	    !sp.bucket.kib_ns)
		return 0;
	rate->owner = sp.bucket.owner;
	return 1024 * 1000000000ull / sp.bucket.kib_ns;
}

static char *flow_print(int table, const struct splice *sp, uint64_t now_ms)
{
	struct flow_record record = { .splice = *sp };

	record.age_ms = now_ms > sp->started_ms ? now_ms - sp->started_ms : 0;
	record.rate.all = rate_of(table, sp->pays[0], &record.rate);
	record.rate.source = rate_of(table, sp->pays[1], &record.rate);
	return flow_record_print(&record);
}

/* What is frozen stands still, so two readings agree. */
static bool write_flows(FILE *out, int table, uint32_t count, const struct addr *vip,
			struct flow_head *head)
{
	uint64_t now_ms = clock_ns(CLOCK_BOOTTIME) / 1000000u;
	struct splice sp;

	head->flows = 0;
	head->time_ms = clock_ns(CLOCK_REALTIME) / 1000000u;
	for (uint32_t i = 0; i < count; i++)
		head->flows += bpf_map_lookup_elem(table, &i, &sp) == 0 && is_meant(&sp, vip);
	if (!put(out, flow_head_print(head)))
		return false;
	for (uint32_t i = 0; i < count; i++)
		if (bpf_map_lookup_elem(table, &i, &sp) == 0 && is_meant(&sp, vip) &&
		    !put(out, flow_print(table, &sp, now_ms)))
			return false;
	return fflush(out) == 0 && fsync(fileno(out)) == 0;
}

static void name_node(const struct command_options *options, struct flow_head *head)
{
	struct err err;
	char *text = admin_get(&options->admin, "/status", &err);
	json_t *status = text ? json_loads(text, 0, NULL) : NULL;
	const char *node = json_string_value(json_object_get(status, "node"));

	snprintf(head->node, sizeof(head->node), "%s", node ? node : "?");
	json_decref(status);
	free(text);
}

struct export
{
	char path[PATH_BYTES_MAX]; /* beside the file, until all is in it */
	FILE *out;
	int table;
	uint32_t count;
	struct flow_head head;
};

/* Whatever may be refused is tried before anything is frozen. */
static bool export_open(struct export *export, const struct command_options *options,
			struct err *err)
{
	struct stat there;
	int fd;

	/* A device would be replaced; over a folder nothing can be renamed. */
	if (!options->second[0] || (stat(options->second, &there) == 0 && !S_ISREG(there.st_mode) &&
				    !S_ISDIR(there.st_mode)))
		return err_set(err, "expected a FILE to write to, found \"%s\", which is none",
			       options->second);
	if ((size_t)snprintf(export->path, sizeof(export->path), "%s.new", options->second) >=
	    sizeof(export->path))
		return err_set(err, "the path of the file is too long");
	export->table = flows_open(options->pin_dir, &export->count, err);
	if (export->table < 0)
		return false;
	fd = open(export->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	export->out = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (export->out)
		return true;
	err_sys(err, "cannot write %s", export->path);
	close(export->table);
	return false;
}

static void export_close(struct export *export)
{
	fclose(export->out);
	close(export->table);
	unlink(export->path); /* where it was renamed there is nothing to remove */
}

static json_t *export_all(struct export *export, const struct command_options *options,
			  struct err *err)
{
	struct query query;
	json_t *answer;
	struct addr vip;
	struct err ignored;

	if (!query_of(options, &vip, &query, err))
		return NULL;
	name_node(options, &export->head);
	answer = post(options, "freeze", query.text, "", err);
	if (!answer)
		return NULL;
	if (write_flows(export->out, export->table, export->count, &vip, &export->head) &&
	    rename(export->path, options->second) == 0)
		return answer;
	err_sys(err, "cannot write %s; the flows go on here", options->second);
	json_decref(answer);
	json_decref(post(options, "resume", query.text, "", &ignored));
	return NULL;
}

static int flows_export(const struct command_options *options)
{
	struct export export = { .table = -1 };
	json_t *answer;
	struct err err;

	if (!export_open(&export, options, &err))
		return command_refuse("flows export", &err);
	answer = export_all(&export, options, &err);
	export_close(&export);
	if (!answer)
		return command_refuse("flows export", &err);
	if (!options->json &&
	    integer(answer, "sockets") + integer(answer, "bodies") + integer(answer, "ended") > 0)
		printf("not moved: %lld still have sockets, %lld are legs of sessions, %lld have "
		       "ended\n",
		       integer(answer, "sockets"), integer(answer, "bodies"),
		       integer(answer, "ended"));
	return say(options, answer,
		   integer(answer, "flows") > 0
			   ? "stopped here and written; import them, move the vip, then "
			     "\"flows forget\""
			   : "are there that can move; nothing was stopped");
}

/* --- import ----------------------------------------------------------------------------- */

static bool read_file(const char *path, struct span *out_text, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat there;
	size_t len = 0;
	ssize_t n = -1;
	char *text;

	if (fd < 0 || fstat(fd, &there) < 0) {
		err_sys(err, "cannot read %s", path);
		goto close_file;
	}
	if (!S_ISREG(there.st_mode) || (uint64_t)there.st_size > FILE_BYTES_MAX) {
		err_set(err, "%s is no file of at most %llu bytes", path, FILE_BYTES_MAX);
		goto close_file;
	}
	text = must_alloc((size_t)there.st_size + 1);
	while (len < (size_t)there.st_size &&
	       (n = read(fd, text + len, (size_t)there.st_size - len)) > 0)
		len += (size_t)n;
	close(fd);
	*out_text = span_make(text, len);
	return true;
close_file:
	if (fd >= 0)
		close(fd);
	return false;
}

static void file_error(const char *path, struct err *err)
{
	struct err what = *err;

	err_set(err, "%s: %s", path, what.text);
}

/* Every line, before the first flow is entered anywhere. */
static bool check_all(struct span text, struct err *err)
{
	struct flow_record record;
	struct flow_reader reader;

	if (!flow_reader_begin(&reader, text, err))
		return false;
	while (flow_reader_next(&reader, &record, err))
		continue;
	return !err->text[0];
}

struct import {
	const struct command_options *options;
	struct flow_reader reader;
	json_t *refused;
	long long flows, unresolved;
	char *body; /* lines for the next request */
	size_t len;
	uint32_t count, first_line;
};

static bool import_send(struct import *import, struct err *err)
{
	struct flow_head head = import->reader.head;
	char query[32], *body = NULL, *line;
	json_t *answer = NULL;

	head.flows = import->count;
	line = flow_head_print(&head);
	snprintf(query, sizeof(query), "line=%u", import->first_line);
	if (line && asprintf(&body, "%s%.*s", line, (int)import->len, import->body) >= 0)
		answer = post(import->options, "import", query, body, err);
	free(line);
	free(body);
	if (!answer)
		return false;
	import->flows += integer(answer, "flows");
	import->unresolved += integer(answer, "unresolved");
	json_array_extend(import->refused, json_object_get(answer, "refused"));
	json_decref(answer);
	import->len = 0;
	import->count = 0;
	return true;
}

/* In requests of a bounded size. check_all has read every line. */
static bool import_all(struct import *import, struct span text, struct err *err)
{
	struct span rest;

	MUST(flow_reader_begin(&import->reader, text, err));
	rest = import->reader.rest;
	for (uint32_t line = import->reader.line + 1; rest.len > 0; line++) {
		const char *end = memchr(rest.at, '\n', rest.len);
		size_t len = (size_t)(end - rest.at) + 1;

		if (import->count++ == 0)
			import->first_line = line;
		memcpy(import->body + import->len, rest.at, len);
		import->len += len;
		rest = span_after(rest, len);
		if (import->len + FLOW_FILE_LINE_MAX > CHUNK_MAX && !import_send(import, err))
			return false;
	}
	return import_send(import, err); /* also of none: whether they are taken at all */
}

static void print_refused(const json_t *refused, const char *path)
{
	const json_t *one;
	size_t i;

	json_array_foreach((json_t *)refused, i, one)
	{
		const char *why = json_string_value(json_object_get(one, "why"));

		if (i == REFUSED_SHOWN_MAX)
			break;
		fprintf(stderr, "%s: line %lld: not imported: %s\n", path, integer(one, "line"),
			why ? why : "?");
	}
	if (json_array_size(refused) > REFUSED_SHOWN_MAX)
		fprintf(stderr, "%s: and %zu more\n", path,
			json_array_size(refused) - REFUSED_SHOWN_MAX);
}

static int import_tell(struct import *import)
{
	bool good = json_array_size(import->refused) == 0;
	json_t *answer = json_object();

	if (!import->options->json)
		print_refused(import->refused, import->options->second);
	if (!import->options->json && import->unresolved > 0)
		printf("of %lld a next hop is being looked for; they wait for it\n",
		       import->unresolved);
	json_object_set_new(answer, "flows", json_integer(import->flows));
	json_object_set_new(answer, "unresolved", json_integer(import->unresolved));
	json_object_set(answer, "refused", import->refused);
	say(import->options, answer,
	    good ? "imported; move the vip and the source address here now"
		 : "imported, others not; see why before you move the vip");
	return good ? EXIT_DONE : EXIT_REFUSED;
}

static int flows_import(const struct command_options *options)
{
	struct import import = { .options = options };
	struct span text = { 0 };
	struct err err = { "" };
	int got;

	if (!read_file(options->second, &text, &err))
		return command_refuse("flows import", &err);
	import.refused = json_array();
	import.body = must_alloc(CHUNK_MAX);
	if (!check_all(text, &err)) {
		file_error(options->second, &err);
		got = command_refuse("flows import", &err);
	} else if (!import_all(&import, text, &err)) {
		got = command_refuse("flows import", &err);
		if (import.flows > 0)
			fprintf(stderr, "before that %lld flows were imported\n", import.flows);
	} else {
		got = import_tell(&import);
	}
	free(import.body);
	json_decref(import.refused);
	free((char *)text.at);
	return got;
}

/* --- forget, resume --------------------------------------------------------------------- */

static int flows_decide(const struct command_options *options, const char *what, const char *done)
{
	struct query query;
	json_t *answer;
	struct addr vip;
	struct err err;

	answer = query_of(options, &vip, &query, &err) ? post(options, what, query.text, "", &err)
						       : NULL;
	return answer ? say(options, answer, done) : command_refuse("flows", &err);
}

bool command_move_knows(const char *word)
{
	return !strcmp(word, "export") || !strcmp(word, "import") || !strcmp(word, "forget") ||
	       !strcmp(word, "resume");
}

int command_move(const struct command_options *options)
{
	const char *word = options->operand;
	bool needs_file = !strcmp(word, "export") || !strcmp(word, "import");

	if (needs_file != (options->second != NULL)) {
		fprintf(stderr, "shuntctl flows %s: expected %s\"%s\"; see shuntctl --help\n", word,
			needs_file ? "the FILE to move them by behind " : "no FILE, found ",
			needs_file ? word : options->second);
		return EXIT_USAGE;
	}
	if (!strcmp(word, "export"))
		return flows_export(options);
	if (!strcmp(word, "import"))
		return flows_import(options);
	if (!strcmp(word, "forget"))
		return flows_decide(options, word, "forgotten: they are another node's");
	return flows_decide(options, word, "go on here");
}
