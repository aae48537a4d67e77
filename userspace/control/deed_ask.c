#include "userspace/control/deed_ask.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "userspace/base/must.h"
#include "userspace/control/admin_refusal.h"
#include "userspace/control/deed_print.h"
#include "userspace/proxy/explain.h"
#include "userspace/proxy/request_id.h"

enum { PATIENCE_MS = 1000, SINCE_BYTES = 32, SENTENCE_BYTES = 512 };

struct search {
	char id[REQUEST_ID_MAX + 1];
	struct deed deed;
	struct deed_since since;
	bool found;
	atomic_uint refs;
};

static void search_unref(void *context)
{
	struct search *search = context;

	if (atomic_fetch_sub(&search->refs, 1) == 1)
		free(search);
}

static void search_run(void *context, struct proxy *proxy)
{
	struct search *search = context;

	if (!proxy)
		return;
	search->found = proxy_deed(proxy, span_of(search->id), &search->deed);
	search->since = proxy_deeds_since(proxy);
}

/* What all workers have said so far. */
struct answer {
	struct deed deed; /* the last one of that name */
	bool found;
	struct deed_since since; /* what all of them know */
	uint32_t silent;         /* workers */
};

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static void take(struct answer *answer, const struct search *search)
{
	answer->since.all_ms = later(answer->since.all_ms, search->since.all_ms);
	answer->since.away_ms = later(answer->since.away_ms, search->since.away_ms);
	answer->since.wrong_ms = later(answer->since.wrong_ms, search->since.wrong_ms);
	if (!search->found || (answer->found && answer->deed.ended_ms >= search->deed.ended_ms))
		return;
	answer->deed = search->deed;
	answer->found = true;
}

/* Another one for each worker, since one that is late writes to it yet. */
static void ask(struct worker *worker, struct span id, struct answer *answer)
{
	struct search *search = must_alloc(sizeof(*search));
	struct worker_call call = { search_run, search_unref, search };

	atomic_init(&search->refs, 2);
	snprintf(search->id, sizeof(search->id), "%.*s", SPAN_ARG(id));
	if (worker_call(worker, &call, PATIENCE_MS))
		take(answer, search);
	else
		answer->silent++;
	search_unref(search);
}

static const char *time_text(uint64_t ms, char out[SINCE_BYTES])
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm utc;

	if (ms == 0)
		return "the start";
	gmtime_r(&seconds, &utc);
	strftime(out, SINCE_BYTES, "%Y-%m-%dT%H:%M:%SZ", &utc);
	return out;
}

/* Why nobody knows it, as far as can be said. */
static char *refuse(const struct answer *a, const char *node, uint32_t *out_status)
{
	char made[SENTENCE_BYTES], all[SINCE_BYTES], away[SINCE_BYTES], wrong[SINCE_BYTES];

	if (a->silent > 0)
		snprintf(made, sizeof(made),
			 "%u of the workers did not answer in time, and no other knows a request "
			 "of that name",
			 a->silent);
	else if (a->since.all_ms == 0 && a->since.away_ms == 0 && a->since.wrong_ms == 0)
		snprintf(
			made, sizeof(made),
			"no request of that name is under way or has ended here, on node %s, since "
			"shuntd was started: it may have been another node's, or of before that",
			node);
	else
		snprintf(
			made, sizeof(made),
			"no request of that name is under way or remembered here, on node %s: it "
			"may have been another node's, or it is forgotten, as only those are known "
			"for sure that have ended since %s, since %s where they were turned away, "
			"or since %s where they went wrong",
			node, time_text(a->since.all_ms, all), time_text(a->since.away_ms, away),
			time_text(a->since.wrong_ms, wrong));
	return admin_refuse(out_status, made);
}

void deed_to_raw(json_t *all, const struct deed *deed)
{
	static const char hex[] = "0123456789abcdef";
	const uint8_t *bytes = (const uint8_t *)deed;
	char made[2 * sizeof(*deed)];

	for (size_t i = 0; i < sizeof(*deed); i++) {
		made[2 * i] = hex[bytes[i] >> 4];
		made[2 * i + 1] = hex[bytes[i] & 15];
	}
	json_object_set_new(all, "raw", json_stringn(made, sizeof(made)));
}

/* Another shuntd may have another layout: what is looked up by it has to be there. */
static bool is_sound(const struct deed *d)
{
	size_t len = 0;

	for (int i = 0; i < DEED_PIECES; i++)
		len += d->lengths[i];
	for (uint32_t i = 0; i < DEED_ATTEMPTS_MAX && i < d->attempt_count; i++)
		if (d->attempts[i].end >= END_REASONS)
			return false;
	for (uint32_t i = 0; i < DEED_UNFIT_MAX && i < d->unfit_count; i++)
		if (d->unfit[i].cause >= UNFIT_CAUSES)
			return false;
	return len <= DEED_TEXT_BYTES && d->loser_count <= DEED_LOSERS_MAX &&
	       d->attempt_count <= DEED_ATTEMPTS_MAX && d->unfit_count <= DEED_UNFIT_MAX &&
	       d->end < END_REASONS && d->balance < BALANCES && d->refused < RETRY_REFUSALS &&
	       d->phase < EXCHANGE_PHASES && d->splice_reason < SPLICE_REASONS;
}

bool deed_from_raw(json_t *answer, struct deed *out)
{
	const char *raw = json_string_value(json_object_get(answer, "raw"));
	uint8_t *bytes = (uint8_t *)out;
	bool good = raw && strlen(raw) == 2 * sizeof(*out);
	unsigned byte;

	for (size_t i = 0; good && i < sizeof(*out); i++) {
		good = sscanf(raw + 2 * i, "%2x", &byte) == 1;
		bytes[i] = (uint8_t)byte;
	}
	json_object_del(answer, "raw");
	return good && is_sound(out);
}

char *deed_ask(struct crew *crew, const struct snapshot *snapshot, const struct history *history,
	       struct span id, uint32_t *out_status)
{
	struct answer answer = { .found = false };
	bool present;
	json_t *all;
	char *made;

	if (!request_id_may_be_taken(id))
		return admin_refuse(out_status, "that is no request's name: these have 1 to 64 "
						"visible characters, no quotes, no backslashes");
	for (uint32_t i = 0; i < crew_count(crew); i++)
		ask(crew_worker(crew, i), id, &answer);
	if (!answer.found)
		return refuse(&answer, snapshot->model->node.name, out_status);
	present = answer.deed.snapshot == snapshot->number ||
		  history_is_same(history, answer.deed.snapshot, snapshot->number);
	all = deed_print(&answer.deed, present ? snapshot->model : NULL, snapshot);
	if (!present)
		deed_to_raw(all, &answer.deed);
	made = json_dumps(all, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	json_decref(all);
	*out_status = 200;
	return made;
}
