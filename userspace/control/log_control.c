#include "userspace/control/log_control.h"

#include <stdlib.h>
#include <string.h>

#include "userspace/base/log.h"
#include "userspace/base/must.h"

struct log_control {
	struct log_sink *sink;
	const char *given; /* by argument: counts whatever the configuration says */
	char *where;       /* of the access log now; NULL: none */
	struct timer tick;
};

static void on_tick(void *context)
{
	struct log_control *c = context;

	log_say_suppressed(false);
	timer_start(&c->tick, LOG_WINDOW_MS);
}

static bool use(struct log_control *c, const char *where, struct err *err)
{
	if (!log_sink_use(c->sink, where, err))
		return false;
	free(c->where);
	c->where = where ? strdup(where) : NULL;
	return true;
}

struct log_control *log_control_create(struct loop *loop, const struct arguments *arguments,
				       const struct log_config *config, struct err *err)
{
	struct log_control *c = must_alloc(sizeof(*c));

	log_set_level(config->level);
	c->sink = log_sink_create();
	c->given = arguments->access_log;
	if (!use(c, c->given ? c->given : config->access, err)) {
		log_sink_destroy(c->sink);
		free(c);
		return NULL;
	}
	timer_init(&c->tick, loop, on_tick, c);
	timer_start(&c->tick, LOG_WINDOW_MS);
	return c;
}

bool log_control_hand_over(struct log_control *c, const char *user, struct err *err)
{
	return !user || log_sink_hand_over(c->sink, user, err);
}

bool log_control_start(struct log_control *c, struct err *err)
{
	return log_sink_start(c->sink, err);
}

static bool is_same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

void log_control_follow(struct log_control *c, const struct log_config *config)
{
	struct err err;

	log_set_level(config->level);
	if (c->given || is_same(c->where, config->access))
		return;
	if (!use(c, config->access, &err))
		log_line(LOG_ERROR, "%s; it stays where it was", err.text);
}

void log_control_reopen(struct log_control *c)
{
	struct err err;

	if (c->where && !log_sink_use(c->sink, c->where, &err))
		log_line(LOG_ERROR, "%s; the old one is written on", err.text);
}

struct log_sink *log_control_sink(struct log_control *c)
{
	return c->sink;
}

uint64_t log_control_lost(struct log_control *c)
{
	return log_sink_lost(c->sink);
}

void log_control_destroy(struct log_control *c)
{
	if (!c)
		return;
	timer_stop(&c->tick);
	log_say_suppressed(true);
	log_sink_destroy(c->sink);
	free(c->where);
	free(c);
}
