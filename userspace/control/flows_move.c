#include "userspace/control/flows_move.h"

#include <jansson.h>
#include <stdio.h>

#include "userspace/base/clock.h"
#include "userspace/base/must.h"
#include "userspace/control/admin_refusal.h"
#include "userspace/control/flow_file.h"

/* A flow's ends give up about then; its numbers say nothing of what runs now. */
#define FILE_OLD_MS (15ull * 60 * 1000)

enum { LINE_DIGITS_MAX = 7 };

static char *print(json_t *answer)
{
	char *text = json_dumps(answer, JSON_PRESERVE_ORDER);

	json_decref(answer);
	return text;
}

/* "all" or "vip=ADDRESS[:PORT]". */
static bool read_choice(struct span query, struct addr *vip, struct splice_choice *out_choice)
{
	struct span text;

	*out_choice = (struct splice_choice){ 0 };
	if (span_is(query, SPAN("all")))
		return true;
	if (!span_has_prefix(query, SPAN("vip=")))
		return false;
	text = span_after(query, 4);
	out_choice->vip = vip;
	return addr_parse_ip(text, vip) || addr_parse(text, vip);
}

static char *tell(const struct splice_moving *moving)
{
	json_t *answer = json_object();

	json_object_set_new(answer, "flows", json_integer(moving->moved));
	json_object_set_new(answer, "sockets", json_integer(moving->sockets));
	json_object_set_new(answer, "bodies", json_integer(moving->bodies));
	json_object_set_new(answer, "ended", json_integer(moving->ended));
	return print(answer);
}

static char *freeze(struct splicer *splicer, const struct splice_choice *choice,
		    uint32_t *out_status)
{
	struct splice_moving moving;
	struct err err;

	if (splicer_freeze(splicer, choice, &moving))
		return tell(&moving);
	err_set(&err,
		"%u of them were exported before: \"flows forget\" where the other node has them, "
		"\"flows resume\" where none has",
		moving.waiting);
	return admin_refuse(out_status, err.text);
}

static char *decide(struct splicer *splicer, struct span query, bool forget, uint32_t *out_status)
{
	struct splice_choice choice;
	struct splice_moving moving;
	struct addr vip;

	if (!read_choice(query, &vip, &choice))
		return admin_refuse(out_status, "which? vip=ADDRESS[:PORT] or all");
	(forget ? splicer_forget : splicer_resume)(splicer, &choice, &moving);
	return tell(&moving);
}

/* --- import ----------------------------------------------------------------------------- */

/* Since its start here as long as there; what does not fit into this machine's time goes off what
 * it may last. */
static void age_set(struct flow_record *record, uint64_t now_ms)
{
	struct splice *sp = &record->splice;
	uint64_t older;

	if (record->age_ms < now_ms) {
		sp->started_ms = now_ms - record->age_ms;
		return;
	}
	older = record->age_ms - now_ms;
	sp->started_ms = 0;
	if (sp->most_ms)
		sp->most_ms = sp->most_ms > older ? (uint32_t)(sp->most_ms - older) : 1;
}

static void note_refused(json_t *list, uint32_t line, const char *why)
{
	json_t *one = json_object();

	json_object_set_new(one, "line", json_integer(line));
	json_object_set_new(one, "why", json_string(why));
	json_array_append_new(list, one);
}

/* "line=N": which line of the operator's file is the first flow here. */
static bool read_line(struct span query, uint32_t *out_line)
{
	struct span digits;
	uint32_t n = 0;

	if (!span_has_prefix(query, SPAN("line=")))
		return false;
	digits = span_after(query, 5);
	for (size_t i = 0; i < digits.len; i++) {
		if (digits.at[i] < '0' || digits.at[i] > '9')
			return false;
		n = n * 10 + (uint32_t)(digits.at[i] - '0');
	}
	*out_line = n;
	return digits.len > 0 && digits.len <= LINE_DIGITS_MAX;
}

/* All or nothing: what cannot be read is found before the first one is entered. */
static uint32_t read_all(struct span body, struct flow_record **out_records, struct err *err)
{
	struct flow_reader reader;
	uint32_t count = 0;

	if (!flow_reader_begin(&reader, body, err))
		return 0;
	if (reader.head.flows > body.len) { /* each has many bytes */
		err_set(err, "the head says %u flows, and there are fewer", reader.head.flows);
		return 0;
	}
	*out_records = must_alloc((reader.head.flows + 1) * sizeof(**out_records));
	while (flow_reader_next(&reader, &(*out_records)[count], err))
		count++;
	if (err->text[0]) {
		free(*out_records);
		*out_records = NULL;
	}
	return count;
}

static bool is_old(struct span body)
{
	uint64_t now_ms = clock_ns(CLOCK_REALTIME) / 1000000u;
	struct flow_reader reader;
	struct err err;

	return flow_reader_begin(&reader, body, &err) &&
	       (reader.head.time_ms + FILE_OLD_MS < now_ms ||
		now_ms + FILE_OLD_MS < reader.head.time_ms);
}

static char *import_all(struct splicer *splicer, struct flow_record *records, uint32_t count,
			uint32_t line)
{
	uint64_t now_ms = clock_ns(CLOCK_BOOTTIME) / 1000000u;
	json_t *answer = json_object(), *refused = json_array();
	uint32_t done = 0, unresolved = 0;

	for (uint32_t i = 0; i < count; i++) {
		struct splice_arrival arrival = { .rate = records[i].rate };
		enum splice_import got;
		bool ready = true;

		age_set(&records[i], now_ms);
		arrival.splice = records[i].splice;
		got = splicer_import(splicer, &arrival, &ready);
		if (got != SPLICE_IMPORT_DONE)
			note_refused(refused, line + i, splice_import_texts[got]);
		done += got == SPLICE_IMPORT_DONE;
		unresolved += got == SPLICE_IMPORT_DONE && !ready;
	}
	json_object_set_new(answer, "flows", json_integer(done));
	json_object_set_new(answer, "unresolved", json_integer(unresolved));
	json_object_set_new(answer, "refused", refused);
	return print(answer);
}

static char *import(struct splicer *splicer, const struct admin_request *request,
		    uint32_t *out_status)
{
	struct flow_record *records = NULL;
	struct err err = { "" };
	uint32_t line, count;
	char *answer;

	if (!read_line(request->query, &line))
		return admin_refuse(out_status,
				    "expected line=N, the number of the first flow's line");
	count = read_all(request->body, &records, &err);
	if (!records)
		return admin_refuse(out_status, err.text);
	if (is_old(request->body))
		answer = admin_refuse(
			out_status,
			"the file is more than 15 minutes old, or the nodes' clocks differ "
			"by that much; such flows have ended by now: export them again");
	else
		answer = import_all(splicer, records, count, line);
	free(records);
	return answer;
}

char *flows_move(struct splicer *splicer, const struct admin_request *request, uint32_t *out_status)
{
	bool resume = span_is(request->path, SPAN("/flows/resume"));
	bool forget = span_is(request->path, SPAN("/flows/forget"));
	bool is_import = span_is(request->path, SPAN("/flows/import"));
	bool is_freeze = span_is(request->path, SPAN("/flows/freeze"));
	struct splice_choice choice;
	struct addr vip;

	if (!resume && !forget && !is_import && !is_freeze)
		return NULL;
	if (!splicer)
		return admin_refuse(out_status, "this shuntd does not splice");
	if (is_import)
		return import(splicer, request, out_status);
	if (!is_freeze)
		return decide(splicer, request->query, forget, out_status);
	if (!read_choice(request->query, &vip, &choice))
		return admin_refuse(out_status, "which? vip=ADDRESS[:PORT] or all");
	return freeze(splicer, &choice, out_status);
}
