#include "userspace/control/overrides.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/log.h"
#include "userspace/base/must.h"

enum { NAME_BYTES = 256, WEIGHT_MAX = 1000, SHOWN_MAX = 8 };

struct override {
	char upstream[NAME_BYTES], vpc[NAME_BYTES]; /* "": in none */
	struct addr address;
	bool weighs;
	uint32_t weight;
	enum service service;
	uint64_t until_s; /* it drains till then, or if off, drained; 0: without an end */
	uint64_t since_s;
	uint32_t uid, pid; /* who asked last */
};

struct overrides {
	uint32_t count, before_count;
	struct override list[OVERRIDES_MAX], before[OVERRIDES_MAX];
};

static const char *const service_names[] = {
	[SERVICE_ON] = "on", [SERVICE_DRAINING] = "draining", [SERVICE_OFF] = "off"
};

struct overrides *overrides_create(void)
{
	return must_alloc(sizeof(struct overrides));
}

void overrides_destroy(struct overrides *all)
{
	free(all);
}

uint32_t overrides_count(const struct overrides *all)
{
	return all->count;
}

static const char *vpc_of(const struct endpoint *e)
{
	return e->vpc ? e->vpc->name : "";
}

static bool is_of(const struct override *o, const struct upstream *u, const struct endpoint *e)
{
	return strcmp(o->upstream, u->name) == 0 && addr_is(&o->address, &e->address) &&
	       strcmp(o->vpc, vpc_of(e)) == 0;
}

static const struct upstream *find_upstream(const struct model *m, const char *name)
{
	for (uint32_t i = 0; i < m->upstream_count; i++)
		if (strcmp(m->upstreams[i].name, name) == 0)
			return &m->upstreams[i];
	return NULL;
}

/* --- what is wished ---------------------------------------------------------------------- */

struct wish {
	const char *upstream, *endpoint, *vpc, *set; /* vpc NULL: not said */
	struct addr address;
	uint32_t weight, for_s;
};

static const char *text_of(const json_t *from, const char *name)
{
	const char *text = json_string_value(json_object_get(from, name));

	return text && strlen(text) < NAME_BYTES ? text : NULL;
}

static bool number_of(const json_t *from, const char *name, uint32_t most, uint32_t *out)
{
	const json_t *value = json_object_get(from, name);
	json_int_t n = json_integer_value(value);

	if (!json_is_integer(value) || n < 0 || n > (json_int_t)most)
		return false;
	*out = (uint32_t)n;
	return true;
}

static bool read_wish(const json_t *from, struct wish *out, struct err *err)
{
	out->upstream = text_of(from, "upstream");
	out->endpoint = text_of(from, "endpoint");
	out->vpc = text_of(from, "vpc");
	out->set = text_of(from, "set");
	if (!out->upstream || !out->endpoint || !out->set)
		return err_set(err, "expected upstream, endpoint and what to set");
	if (!addr_parse(span_of(out->endpoint), &out->address))
		return err_set(err, "\"%.64s\" is no endpoint; it is an address with its port",
			       out->endpoint);
	if (strcmp(out->set, "weight") == 0)
		return number_of(from, "weight", WEIGHT_MAX, &out->weight) ||
		       err_set(err, "a weight is a number from 0 to %d", WEIGHT_MAX);
	if (strcmp(out->set, "drain") == 0)
		return !json_object_get(from, "for_s") ||
		       number_of(from, "for_s", OVERRIDE_DRAIN_MAX_S, &out->for_s) ||
		       err_set(err, "an endpoint drains for at most %d days",
			       OVERRIDE_DRAIN_MAX_S / 86400);
	if (strcmp(out->set, "disable") == 0 || strcmp(out->set, "enable") == 0 ||
	    strcmp(out->set, "reset") == 0)
		return true;
	return err_set(err, "expected weight, drain, disable, enable or reset, found \"%.32s\"",
		       out->set);
}

/* --- whom it is about -------------------------------------------------------------------- */

static bool say_absent(const struct upstream *u, const struct wish *wish, struct err *err)
{
	char known[ERR_TEXT_MAX / 2] = "";
	size_t used = 0;

	for (uint32_t i = 0; i < u->endpoint_count && i < SHOWN_MAX; i++) {
		const struct endpoint *e = &u->endpoints[i];

		used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s%s%.32s",
					 i ? ", " : "", addr_print(&e->address).text,
					 e->vpc ? "@" : "", vpc_of(e));
		if (used >= sizeof(known))
			break;
	}
	return err_set(err, "upstream %.64s has no endpoint %.64s%s%.32s; it has %s%s", u->name,
		       wish->endpoint, wish->vpc ? "@" : "", wish->vpc ? wish->vpc : "",
		       known[0] ? known : "none", u->endpoint_count > SHOWN_MAX ? ", ..." : "");
}

static struct override *find_same(struct overrides *all, const struct override *as)
{
	for (uint32_t i = 0; i < all->count; i++)
		if (addr_is(&all->list[i].address, &as->address) &&
		    strcmp(all->list[i].upstream, as->upstream) == 0 &&
		    strcmp(all->list[i].vpc, as->vpc) == 0)
			return &all->list[i];
	return NULL;
}

/* One endpoint of the model, or an override whose endpoint is gone. */
static bool find_subject(struct overrides *all, const struct model *m, const struct wish *wish,
			 struct override *out, struct err *err)
{
	const struct upstream *u = find_upstream(m, wish->upstream);
	const struct endpoint *found = NULL;

	for (uint32_t i = 0; u && i < u->endpoint_count; i++) {
		const struct endpoint *e = &u->endpoints[i];

		if (!addr_is(&e->address, &wish->address) ||
		    (wish->vpc && strcmp(wish->vpc, vpc_of(e)) != 0))
			continue;
		if (found)
			return err_set(err, "%.64s is there in several vpcs; say %.64s@VPC",
				       wish->endpoint, wish->endpoint);
		found = e;
	}
	*out = (struct override){ .address = wish->address };
	snprintf(out->upstream, sizeof(out->upstream), "%s", wish->upstream);
	snprintf(out->vpc, sizeof(out->vpc), "%s",
		 found ? vpc_of(found) : (wish->vpc ? wish->vpc : ""));
	if (!found && find_same(all, out))
		return true;
	if (!found && !u)
		return err_set(err, "there is no upstream \"%.64s\"; shuntctl endpoint shows all",
			       wish->upstream);
	return found || say_absent(u, wish, err);
}

static void say(const struct override *o, const char *what, const struct overrides_by *by,
		char *out)
{
	snprintf(out, ERR_TEXT_MAX, "upstream %.128s: endpoint %s%s%.128s: %s, by uid %u, pid %u",
		 o->upstream, addr_print(&o->address).text, o->vpc[0] ? "@" : "", o->vpc, what,
		 by->uid, by->pid);
}

/* What has become of it, in words. */
static void take_wish(struct override *o, const struct wish *wish, uint64_t now_s, char what[64])
{
	snprintf(what, 64, "%s", wish->set);
	if (strcmp(wish->set, "weight") == 0) {
		o->weighs = true;
		o->weight = wish->weight;
		snprintf(what, 64, "weight %u", wish->weight);
		return;
	}
	o->until_s = 0;
	o->service = SERVICE_ON;
	if (strcmp(wish->set, "disable") == 0)
		o->service = SERVICE_OFF;
	if (strcmp(wish->set, "drain") == 0)
		o->service = SERVICE_DRAINING;
	if (strcmp(wish->set, "drain") == 0 && wish->for_s > 0) {
		o->until_s = now_s + wish->for_s;
		snprintf(what, 64, "drain for %u s", wish->for_s);
	}
	if (strcmp(wish->set, "reset") == 0)
		o->weighs = false;
}

bool overrides_change(struct overrides *all, const struct model *model, const json_t *from,
		      const struct overrides_by *by, char *out_said, struct err *err)
{
	struct wish wish = { .weight = 0 };
	struct override as, *o;
	char what[64];

	if (!read_wish(from, &wish, err) || !find_subject(all, model, &wish, &as, err))
		return false;
	o = find_same(all, &as);
	if (!o && all->count == OVERRIDES_MAX)
		return err_set(err, "there are %d overrides already; reset some", OVERRIDES_MAX);
	all->before_count = all->count;
	memcpy(all->before, all->list, all->count * sizeof(all->list[0]));
	if (!o) {
		o = &all->list[all->count++];
		*o = as;
	}
	take_wish(o, &wish, by->now_s, what);
	o->since_s = by->now_s;
	o->uid = by->uid;
	o->pid = by->pid;
	say(o, what, by, out_said);
	if (!o->weighs && o->service == SERVICE_ON)
		*o = all->list[--all->count];
	return true;
}

void overrides_undo(struct overrides *all)
{
	all->count = all->before_count;
	memcpy(all->list, all->before, all->count * sizeof(all->list[0]));
}

/* --- what follows ------------------------------------------------------------------------ */

void overrides_apply(const struct overrides *all, const struct model *m,
		     struct endpoint_order *orders)
{
	for (uint32_t i = 0; i < all->count; i++) {
		const struct override *o = &all->list[i];
		const struct upstream *u = find_upstream(m, o->upstream);

		for (uint32_t k = 0; u && k < u->endpoint_count; k++) {
			const struct endpoint *e = &u->endpoints[k];

			if (!is_of(o, u, e))
				continue;
			if (o->weighs)
				orders[e->index].weight = o->weight;
			orders[e->index].service = o->service;
			orders[e->index].over = o->service == SERVICE_OFF && o->until_s > 0;
		}
	}
}

bool overrides_expire(struct overrides *all, uint64_t now_s)
{
	bool any = false;

	for (uint32_t i = 0; i < all->count; i++) {
		struct override *o = &all->list[i];

		if (o->service != SERVICE_DRAINING || !o->until_s || now_s < o->until_s)
			continue;
		any = true;
		o->service = SERVICE_OFF;
		log_line(LOG_NOTICE,
			 "upstream %s: endpoint %s%s%s: its time to drain is over, it is off",
			 o->upstream, addr_print(&o->address).text, o->vpc[0] ? "@" : "", o->vpc);
	}
	return any;
}

uint64_t overrides_next_s(const struct overrides *all)
{
	uint64_t next = 0;

	for (uint32_t i = 0; i < all->count; i++) {
		const struct override *o = &all->list[i];

		if (o->service == SERVICE_DRAINING && o->until_s &&
		    (next == 0 || o->until_s < next))
			next = o->until_s;
	}
	return next;
}

/* --- as JSON ----------------------------------------------------------------------------- */

static json_t *integer(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static json_t *json_of(const struct override *o)
{
	json_t *one = json_object();

	json_object_set_new(one, "upstream", json_string(o->upstream));
	json_object_set_new(one, "endpoint", json_string(addr_print(&o->address).text));
	json_object_set_new(one, "vpc", o->vpc[0] ? json_string(o->vpc) : json_null());
	json_object_set_new(one, "weight", o->weighs ? integer(o->weight) : json_null());
	json_object_set_new(one, "service", json_string(service_names[o->service]));
	json_object_set_new(one, "until", o->until_s ? integer(o->until_s) : json_null());
	json_object_set_new(one, "since", integer(o->since_s));
	json_object_set_new(one, "uid", integer(o->uid));
	json_object_set_new(one, "pid", integer(o->pid));
	return one;
}

json_t *overrides_list(const struct overrides *all)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < all->count; i++)
		json_array_append_new(list, json_of(&all->list[i]));
	return list;
}

const json_t *overrides_find(const json_t *list, const struct upstream *u, const struct endpoint *e)
{
	size_t i;
	json_t *one;

	json_array_foreach((json_t *)list, i, one)
	{
		const char *vpc = json_string_value(json_object_get(one, "vpc"));

		if (strcmp(json_string_value(json_object_get(one, "upstream")), u->name) == 0 &&
		    strcmp(json_string_value(json_object_get(one, "endpoint")),
			   addr_print(&e->address).text) == 0 &&
		    strcmp(vpc ? vpc : "", vpc_of(e)) == 0)
			return one;
	}
	return NULL;
}

static uint64_t time_of(const json_t *from, const char *name)
{
	json_int_t n = json_integer_value(json_object_get(from, name));

	return n > 0 ? (uint64_t)n : 0;
}

static bool read_one(const json_t *from, struct override *out)
{
	const char *upstream = text_of(from, "upstream"), *endpoint = text_of(from, "endpoint");
	const char *vpc = text_of(from, "vpc"), *service = text_of(from, "service");

	*out = (struct override){ .until_s = time_of(from, "until"),
				  .since_s = time_of(from, "since") };
	if (!upstream || !endpoint || !service || !addr_parse(span_of(endpoint), &out->address) ||
	    !number_of(from, "uid", UINT32_MAX, &out->uid) ||
	    !number_of(from, "pid", UINT32_MAX, &out->pid))
		return false;
	snprintf(out->upstream, sizeof(out->upstream), "%s", upstream);
	snprintf(out->vpc, sizeof(out->vpc), "%s", vpc ? vpc : "");
	out->weighs = !json_is_null(json_object_get(from, "weight"));
	if (out->weighs && !number_of(from, "weight", WEIGHT_MAX, &out->weight))
		return false;
	while (strcmp(service_names[out->service], service) != 0)
		if (++out->service > SERVICE_OFF)
			return false;
	return out->weighs || out->service != SERVICE_ON;
}

bool overrides_read(struct overrides *all, const json_t *list)
{
	bool whole = json_is_array(list);
	struct override one;
	size_t i;
	json_t *from;

	all->count = 0;
	json_array_foreach((json_t *)list, i, from)
	{
		if (all->count < OVERRIDES_MAX && read_one(from, &one) && !find_same(all, &one))
			all->list[all->count++] = one;
		else
			whole = false;
	}
	return whole;
}
