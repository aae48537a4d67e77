#include "userspace/control/endpoint_control.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "userspace/base/log.h"
#include "userspace/base/must.h"
#include "userspace/control/admin_refusal.h"
#include "userspace/control/overrides.h"

enum { LOOK_MOST_S = 60, LOOK_AGAIN_MS = 1000 };

#define KEPT_FILE "overrides.json"

struct endpoint_control {
	struct endpoint_control_hooks hooks;
	struct overrides *all;
	struct timer expiry;
	char path[PATH_MAX]; /* "": nothing is kept */
	bool waits;          /* somebody's time to drain is over, and that is not in effect yet */
};

static uint64_t now_s(void)
{
	return (uint64_t)time(NULL);
}

/* --- kept -------------------------------------------------------------------------------- */

static bool write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		text += n;
		len -= (size_t)n;
	}
	return true;
}

/* Whole or not at all. */
static bool save(const struct endpoint_control *c, struct err *err)
{
	json_t *list = overrides_list(c->all);
	char *text = json_dumps(list, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
	char half[PATH_MAX + 8];
	bool ok;
	int fd;

	json_decref(list);
	MUST(text);
	snprintf(half, sizeof(half), "%s.new", c->path);
	unlink(half); /* of who was stopped in the middle, perhaps another user */
	fd = open(half, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ok = fd >= 0 && write_all(fd, text, strlen(text)) && fsync(fd) == 0;
	ok = ok && rename(half, c->path) == 0;
	if (!ok)
		err_sys(err, "it is in effect, but cannot be kept in %s", c->path);
	if (fd >= 0)
		close(fd);
	free(text);
	return ok;
}

/* What could be read of it is kept, or the next start would know nothing of that. */
static void put_aside(const struct endpoint_control *c, const char *why)
{
	char aside[PATH_MAX + 8];
	struct err err;

	snprintf(aside, sizeof(aside), "%s.bad", c->path);
	rename(c->path, aside);
	log_line(LOG_ERROR,
		 "%s is not as it was written (%s); %u overrides of endpoints could be "
		 "read, the file is %s now",
		 c->path, why, overrides_count(c->all), aside);
	if (overrides_count(c->all) > 0 && !save(c, &err))
		log_line(LOG_WARNING, "%s", err.text);
}

static void load(struct endpoint_control *c)
{
	json_error_t why = { .text = "" };
	json_t *list = json_load_file(c->path, 0, &why);

	if (!list && access(c->path, F_OK) < 0)
		return;
	if (overrides_read(c->all, list))
		log_line(LOG_NOTICE, "%u overrides of endpoints are kept in %s",
			 overrides_count(c->all), c->path);
	else
		put_aside(c, why.text[0] ? why.text : "not what is expected");
	json_decref(list);
	overrides_expire(c->all, now_s());
}

/* --- time -------------------------------------------------------------------------------- */

static void wait_for_next(struct endpoint_control *c)
{
	uint64_t next = overrides_next_s(c->all), now = now_s();
	uint64_t left_s = next > now ? next - now : 0;

	timer_stop(&c->expiry);
	if (c->waits)
		timer_start(&c->expiry, LOOK_AGAIN_MS);
	else if (next) /* the clock may be set meanwhile */
		timer_start(&c->expiry, left_s < LOOK_MOST_S ? left_s * 1000 : LOOK_MOST_S * 1000);
}

static void on_expiry(void *context)
{
	struct endpoint_control *c = context;
	struct err err;

	c->waits = overrides_expire(c->all, now_s()) || c->waits;
	if (c->waits && c->hooks.on_change(c->hooks.context, &err)) {
		c->waits = false;
		if (c->path[0] && !save(c, &err))
			log_line(LOG_WARNING, "%s", err.text);
	}
	wait_for_next(c);
}

struct endpoint_control *endpoint_control_create(struct loop *loop, const char *state,
						 const struct endpoint_control_hooks *hooks)
{
	struct endpoint_control *c = must_alloc(sizeof(*c));

	c->hooks = *hooks;
	c->all = overrides_create();
	timer_init(&c->expiry, loop, on_expiry, c);
	if (state) {
		snprintf(c->path, sizeof(c->path), "%.*s/" KEPT_FILE, PATH_MAX - 32, state);
		load(c);
	}
	wait_for_next(c);
	return c;
}

void endpoint_control_destroy(struct endpoint_control *c)
{
	if (!c)
		return;
	timer_stop(&c->expiry);
	overrides_destroy(c->all);
	free(c);
}

struct snapshot *endpoint_control_order(const struct endpoint_control *c, struct snapshot *of,
					uint64_t number)
{
	struct endpoint_order *orders;
	struct snapshot *ordered;

	if (overrides_count(c->all) == 0 && of->number == number)
		return snapshot_ref(of);
	orders = must_alloc(of->model->endpoint_count * sizeof(*orders));
	snapshot_orders(of->model, orders);
	overrides_apply(c->all, of->model, orders);
	ordered = snapshot_reorder(of, number, orders);
	free(orders);
	return ordered;
}

/* --- what is said ------------------------------------------------------------------------ */

static char *print(json_t *json)
{
	char *text = json_dumps(json, JSON_INDENT(1) | JSON_PRESERVE_ORDER);

	json_decref(json);
	return text;
}

static json_t *json_of(const json_t *overrides, const struct snapshot *s, const struct upstream *u,
		       const struct endpoint *e)
{
	const json_t *override = overrides_find(overrides, u, e);
	json_t *one = json_object();

	json_object_set_new(one, "upstream", json_string(u->name));
	json_object_set_new(one, "endpoint", json_string(addr_print(&e->address).text));
	json_object_set_new(one, "vpc", e->vpc ? json_string(e->vpc->name) : json_null());
	json_object_set_new(one, "weight", json_integer(s->orders[e->index].weight));
	json_object_set_new(one, "configured_weight", json_integer(e->weight));
	json_object_set_new(
		one, "down",
		json_boolean(atomic_load_explicit(&s->down[e->index], memory_order_relaxed)));
	json_object_set_new(one, "override",
			    override ? json_incref((json_t *) override) : json_null());
	return one;
}

char *endpoint_control_print(const struct endpoint_control *c, const struct snapshot *s)
{
	json_t *overrides = overrides_list(c->all), *all = json_array();

	for (uint32_t i = 0; i < s->model->upstream_count; i++)
		for (uint32_t k = 0; k < s->model->upstreams[i].endpoint_count; k++)
			json_array_append_new(all, json_of(overrides, s, &s->model->upstreams[i],
							   &s->model->upstreams[i].endpoints[k]));
	json_decref(overrides);
	return print(all);
}

char *endpoint_control_overrides(const struct endpoint_control *c)
{
	return print(overrides_list(c->all));
}

static char *change(struct endpoint_control *c, const struct snapshot *now,
		    const struct admin_request *request, uint32_t *out_status)
{
	struct overrides_by by = { request->uid, request->pid, now_s() };
	json_t *wish = json_loadb(request->body.at, request->body.len, 0, NULL);
	char said[ERR_TEXT_MAX];
	struct err err = { "" };
	bool kept;

	kept = overrides_change(c->all, now->model, wish, &by, said, &err);
	json_decref(wish);
	if (!kept)
		return admin_refuse(out_status, err.text);
	if (!c->hooks.on_change(c->hooks.context, &err)) {
		overrides_undo(c->all);
		return admin_refuse(out_status, err.text);
	}
	log_line(LOG_NOTICE, "%s", said);
	kept = c->path[0] ? save(c, &err) : overrides_count(c->all) == 0;
	if (c->path[0] && !kept)
		log_line(LOG_WARNING, "%s", err.text);
	else if (!kept)
		err_set(&err, "it is in effect until shuntd ends; --state makes it last");
	c->waits = false; /* all that is wanted is in effect */
	wait_for_next(c);
	return print(json_pack("{s:b, s:s*}", "kept", kept, "warning", kept ? NULL : err.text));
}

char *endpoint_control_post(struct endpoint_control *c, const struct snapshot *now,
			    const struct admin_request *request, uint32_t *out_status)
{
	if (!span_is(request->path, SPAN("/endpoint")))
		return NULL;
	return change(c, now, request, out_status);
}
