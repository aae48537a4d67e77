#include "userspace/control/status.h"

#include <ctype.h>
#include <jansson.h>

enum { REASON_NAME_MAX = 64 };

static const char *const counter_names[COUNTERS] = {
#define X(name, text) [COUNT_##name] = #name,
	COUNTER_LIST(X)
#undef X
};

static uint64_t stat_read(const atomic_uint_fast64_t *stat)
{
	return atomic_load_explicit(stat, memory_order_relaxed);
}

void status_add_stats(struct stats *sum, const struct stats *part)
{
#define X(name) stat_add(&sum->name, stat_read(&part->name));
	STAT_LIST(X)
#undef X
	for (int i = 0; i < SPLICE_REASONS; i++)
		stat_add(&sum->splice[i], stat_read(&part->splice[i]));
}

/* JSON's integers are signed here; a counter that is beyond would take centuries. */
static json_t *number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static json_t *counters_of(const struct status *s)
{
	json_t *all = json_object();

	for (int i = 0; i < COUNTERS; i++)
		json_object_set_new(all, counter_names[i], number(s->counters[i]));
	return all;
}

static json_t *stats_of(const struct stats *stats)
{
	json_t *all = json_object();

#define X(name) json_object_set_new(all, #name, number(stat_read(&stats->name)));
	STAT_LIST(X)
#undef X
	return all;
}

static json_t *refused_of(const struct stats *stats)
{
	json_t *all = json_object();

	for (int i = SPLICE_REASON_DONE + 1; i < SPLICE_REASONS; i++) {
		char name[REASON_NAME_MAX];
		size_t len = 0;

		for (const char *at = splice_reason_names[i]; *at && len < sizeof(name) - 1; at++)
			name[len++] = (char)tolower((unsigned char)*at);
		name[len] = '\0';
		json_object_set_new(all, name, number(stat_read(&stats->splice[i])));
	}
	return all;
}

static const char *const ending_names[SPLICE_ENDINGS] = {
	[SPLICE_ENDING_DONE] = "ended",    [SPLICE_ENDING_RESET] = "reset",
	[SPLICE_ENDING_IDLE] = "idled",    [SPLICE_ENDING_OLD] = "expired",
	[SPLICE_ENDING_KILLED] = "killed", [SPLICE_ENDING_DRAINED] = "drained",
	[SPLICE_ENDING_LOST] = "lost",     [SPLICE_ENDING_MOVED] = "exported",
};

static json_t *splices_of(const struct status *s)
{
	json_t *all = json_object();

	json_object_set_new(all, "handover", number(s->splices.handover));
	json_object_set_new(all, "active", number(s->splices.active));
	json_object_set_new(all, "closing", number(s->splices.closing));
	json_object_set_new(all, "moved", number(s->splices.moved));
	json_object_set_new(all, "legs", number(s->splices.legs));
	json_object_set_new(all, "legs_closing", number(s->splices.legs_closing));
	json_object_set_new(all, "begun", number(stat_read(&s->stats.splice[SPLICE_REASON_DONE])));
	json_object_set_new(all, "adopted", number(s->splices.adopted));
	json_object_set_new(all, "imported", number(s->splices.imported));
	for (int i = 0; i < SPLICE_ENDINGS; i++)
		json_object_set_new(all, ending_names[i], number(s->splices.endings[i]));
	json_object_set_new(all, "ports", number(s->splices.ports));
	json_object_set_new(all, "reused", number(s->splices.reused));
	json_object_set_new(all, "refused", refused_of(&s->stats));
	return all;
}

/* Connections that were taken or made for each exchange that asked anybody: 1.0 without retries. */
static json_t *amplification_of(const struct stats *stats)
{
	uint64_t asked = stat_read(&stats->asked);
	uint64_t taken = stat_read(&stats->upstream_connects) + stat_read(&stats->upstream_reused);

	return asked > 0 ? json_real((double)taken / (double)asked) : json_null();
}

char *status_print(const struct status *s)
{
	json_t *all = json_object();
	char *text;

	json_object_set_new(all, "snapshot", number(s->snapshot));
	json_object_set_new(all, "node", s->node ? json_string(s->node) : json_null());
	json_object_set_new(all, "workers", number(s->workers));
	json_object_set_new(all, "sessions", number(s->sessions));
	json_object_set_new(all, "fast_path", json_boolean(s->fast_path));
	json_object_set_new(all, "reloads_refused", number(s->reloads_refused));
	json_object_set_new(all, "access_lines_lost", number(s->access_lines_lost));
	json_object_set_new(all, "accept_queues_pressed", number(s->accept_pressed));
	json_object_set_new(all, "accept_queues_pressed_times", number(s->accept_pressed_times));
	json_object_set_new(all, "amplification", amplification_of(&s->stats));
	json_object_set_new(all, "counters", counters_of(s));
	json_object_set_new(all, "stats", stats_of(&s->stats));
	json_object_set_new(all, "splices", splices_of(s));
	text = json_dumps(all, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(6));
	json_decref(all);
	return text;
}
