#include "userspace/upstream/resolver.h"

#include <stdlib.h>
#include <string.h>

#include "userspace/base/log.h"
#include "userspace/base/must.h"
#include "userspace/upstream/dns_channel.h"

enum { RETRY_MS = 1000, RETRY_MS_MAX = 30000, RETRY_STEPS = 5 };

struct named {
	struct named *next;
	struct resolver *resolver;
	struct timer due;
	bool asked;        /* an answer is under way */
	bool dropped;      /* nobody wants it: it ends with that answer */
	bool followed;     /* what it stands for is in effect somewhere */
	bool waited;       /* whoever wants it does not wait any longer */
	bool changed;      /* and nobody was told yet */
	uint32_t in_a_row; /* failures */
	struct resolver_name is;
	struct name_set set;
	struct timer release;                      /* of who is held */
	struct name_answer said[NAME_ANSWERS_MAX]; /* in the log */
	uint32_t said_count, left_out, refused;
	char text[DNS_NAME_MAX + 1];
};

struct resolver {
	struct loop *loop;
	struct resolver_hooks hooks;
	struct dns dns;
	struct dns_channel *channel; /* NULL: no name was wanted yet */
	struct named *first;
	struct resolution resolution;
	struct timer patience; /* of who waits for on_ready */
	bool waiting;
	struct timer change;
	struct defer ready;
	uint64_t changed_ms; /* when on_change was called last */
};

static struct named *find(const struct resolver *r, enum name_kind kind, const char *text)
{
	for (struct named *n = r->first; n; n = n->next)
		if (!n->dropped && n->is.kind == kind && strcmp(n->text, text) == 0)
			return n;
	return NULL;
}

static uint32_t resolution_find(void *context, enum name_kind kind, const char *name,
				const struct name_answer **out_answers)
{
	const struct named *n = find(context, kind, name);

	*out_answers = n ? n->set.answers : NULL;
	return n ? n->set.count : 0;
}

static bool is_known(const struct named *n)
{
	return n->is.lookups || n->waited;
}

static bool all_known(const struct resolver *r)
{
	for (const struct named *n = r->first; n; n = n->next)
		if (!n->dropped && !is_known(n))
			return false;
	return true;
}

static void on_ready(void *context)
{
	struct resolver *r = context;

	if (!r->waiting || !all_known(r))
		return;
	r->waiting = false;
	timer_stop(&r->patience);
	r->hooks.on_ready(r->hooks.context);
}

static void on_patience(void *context)
{
	struct resolver *r = context;

	for (struct named *n = r->first; n; n = n->next) {
		if (!is_known(n) && !n->dropped)
			log_line(LOG_WARNING,
				 "no name server has said in %d ms what %s is; it has "
				 "no endpoints until one does",
				 RESOLVER_WAIT_MS, n->text);
		n->waited = true;
	}
	on_ready(r);
}

/* --- changes ------------------------------------------------------------------------------- */

static uint32_t count_missing(const struct name_answer *of, uint32_t of_count,
			      const struct name_answer *in, uint32_t in_count)
{
	uint32_t missing = of_count;

	for (uint32_t i = 0; i < of_count; i++)
		for (uint32_t k = 0; k < in_count; k++)
			if (addr_is(&of[i].address, &in[k].address)) {
				missing--;
				break;
			}
	return missing;
}

static void say(struct named *n)
{
	const struct name_set *set = &n->set;

	log_line(LOG_NOTICE, "%s has %u addresses now: %u have come, %u have gone", n->text,
		 set->count, count_missing(set->answers, set->count, n->said, n->said_count),
		 count_missing(n->said, n->said_count, set->answers, set->count));
	if (n->left_out)
		log_line(LOG_WARNING, "%s has more than %d addresses; %u are not used", n->text,
			 NAME_ANSWERS_MAX, n->left_out);
	memcpy(n->said, set->answers, sizeof(n->said));
	n->said_count = set->count;
}

static void tell(struct named *n, uint64_t now_ms)
{
	uint32_t pause_ms = n->set.pause_ms;

	n->changed = false;
	n->is.tell_ms = 0;
	say(n);
	name_set_told(&n->set, now_ms);
	if (n->set.pause_ms == NAME_PAUSE_MS_MAX && pause_ms < NAME_PAUSE_MS_MAX)
		log_line(LOG_NOTICE,
			 "%s changes with nearly every answer: a change has to wait for up to %d s "
			 "now; see ttl_least and hold of dns",
			 n->text, NAME_PAUSE_MS_MAX / 1000);
}

/* All that have changed are told together, so that many which change all the time fall in step. */
static void on_change(void *context)
{
	struct resolver *r = context;
	bool changed = false;

	r->changed_ms = loop_now_ms(r->loop);
	for (struct named *n = r->first; n; n = n->next) {
		if (!n->changed || n->dropped)
			continue;
		tell(n, r->changed_ms);
		changed = true;
	}
	if (changed)
		r->hooks.on_change(r->hooks.context);
}

static void plan_change(struct resolver *r)
{
	uint64_t now_ms = loop_now_ms(r->loop), due_ms = UINT64_MAX;

	for (const struct named *n = r->first; n; n = n->next)
		if (n->changed && n->is.tell_ms < due_ms)
			due_ms = n->is.tell_ms;
	if (due_ms < r->changed_ms + NAME_PAUSE_MS)
		due_ms = r->changed_ms + NAME_PAUSE_MS;
	timer_start(&r->change, due_ms > now_ms ? due_ms - now_ms : 0);
}

static void note_change(struct named *n)
{
	if (!n->followed) {
		say(n);
		return;
	}
	if (n->changed)
		return;
	n->changed = true;
	n->is.tell_ms = name_set_tell_ms(&n->set, loop_now_ms(n->resolver->loop));
	plan_change(n->resolver);
}

static bool may_stay(void *context, const struct name_answer *answer)
{
	const struct named *n = context;
	const struct resolver_hooks *hooks = &n->resolver->hooks;

	return n->followed && hooks->may_hold(hooks->context, n->is.kind, n->text, answer);
}

static struct name_hold hold_of(struct named *n)
{
	return (struct name_hold){ n->resolver->dns.hold_ms, may_stay, n };
}

static void plan_release(struct named *n)
{
	struct name_hold hold = hold_of(n);
	uint64_t now_ms = loop_now_ms(n->resolver->loop);
	uint64_t due_ms = name_set_expires_ms(&n->set, &hold);

	timer_stop(&n->release);
	if (due_ms != UINT64_MAX)
		timer_start(&n->release, due_ms > now_ms ? due_ms - now_ms : 0);
}

static void on_release(void *context)
{
	struct named *n = context;
	struct name_hold hold = hold_of(n);

	if (name_set_expire(&n->set, &hold, loop_now_ms(n->resolver->loop)))
		note_change(n);
	plan_release(n);
}

static void take_answers(struct named *n, const struct dns_answer *a)
{
	struct name_hold hold = hold_of(n);

	n->is.answered = true;
	n->is.answered_ms = loop_now_ms(n->resolver->loop);
	n->left_out = a->left_out;
	if (name_set_take(&n->set, a->answers, a->count, &hold, n->is.answered_ms))
		note_change(n);
	plan_release(n);
}

/* --- look-ups ------------------------------------------------------------------------------ */

static void free_name(struct named *n)
{
	timer_stop(&n->due);
	timer_stop(&n->release);
	free(n);
}

static void drop(struct named **at)
{
	struct named *n = *at;

	if (n->asked) {
		n->dropped = true;
		return;
	}
	*at = n->next;
	free_name(n);
}

static void plan(struct named *n, uint64_t after_ms)
{
	n->is.due_ms = loop_now_ms(n->resolver->loop) + after_ms;
	timer_start(&n->due, after_ms);
}

static void take_failure(struct named *n, const struct dns_answer *a)
{
	uint64_t pause = RETRY_MS << (n->in_a_row < RETRY_STEPS ? n->in_a_row : RETRY_STEPS);

	if (n->in_a_row++ == 0)
		log_line(LOG_WARNING, "cannot look up %s: %s; %s", n->text, a->why,
			 n->set.count ? "what it stood for before is kept" : "it has no endpoints");
	n->is.failing = true;
	n->is.why = a->why;
	n->is.failures++;
	plan(n, pause < RETRY_MS_MAX ? pause : RETRY_MS_MAX);
}

static void take_success(struct named *n, const struct dns_answer *a)
{
	const struct dns *dns = &n->resolver->dns;
	uint64_t ttl_ms = (uint64_t)a->ttl_s * 1000;

	if (n->in_a_row)
		log_line(LOG_NOTICE, "%s can be looked up again", n->text);
	n->in_a_row = 0;
	n->is.failing = false;
	take_answers(n, a);
	ttl_ms = ttl_ms < dns->ttl_least_ms ? dns->ttl_least_ms : ttl_ms;
	plan(n, ttl_ms > dns->ttl_most_ms ? dns->ttl_most_ms : ttl_ms);
}

/* Once while it is so, whatever else the answer says. */
static void say_refused(struct named *n, const struct dns_answer *a)
{
	if (a->refused && !n->refused)
		log_line(LOG_WARNING,
			 "%s: %u of its addresses are not used, such as %s: no server can be "
			 "there, or \"allow\" of dns lacks it",
			 n->text, a->refused, addr_print(&a->refused_first).text);
	if (a->status == DNS_ANSWERED || a->refused)
		n->refused = a->refused;
}

static void on_answer(void *context, const struct dns_answer *answer)
{
	struct named *n = context;
	struct resolver *r = n->resolver;

	n->asked = false;
	n->is.lookups++;
	if (n->dropped) {
		struct named **at = &r->first;

		while (*at != n)
			at = &(*at)->next;
		drop(at);
		return;
	}
	say_refused(n, answer);
	if (answer->status == DNS_ANSWERED)
		take_success(n, answer);
	else
		take_failure(n, answer);
	loop_defer(r->loop, &r->ready); /* whoever wanted it may not have returned yet */
}

static void on_due(void *context)
{
	struct named *n = context;

	if (n->asked)
		return;
	n->asked = true;
	dns_channel_ask(n->resolver->channel, n->is.kind, n->text, on_answer, n);
}

/* --- which names --------------------------------------------------------------------------- */

struct resolver *resolver_create(struct loop *loop, const struct resolver_hooks *hooks)
{
	struct resolver *r = must_alloc(sizeof(*r));

	r->loop = loop;
	r->hooks = *hooks;
	r->resolution = (struct resolution){ resolution_find, r };
	r->ready = (struct defer){ .on_defer = on_ready, .context = r };
	timer_init(&r->patience, loop, on_patience, r);
	timer_init(&r->change, loop, on_change, r);
	return r;
}

void resolver_destroy(struct resolver *r)
{
	if (!r)
		return;
	dns_channel_destroy(r->channel);
	timer_stop(&r->patience);
	timer_stop(&r->change);
	loop_defer_cancel(r->loop, &r->ready);
	while (r->first) {
		struct named *next = r->first->next;

		free_name(r->first);
		r->first = next;
	}
	free(r);
}

/* Answers to the channel's questions never come. */
static void ask_all_again(struct resolver *r)
{
	for (struct named **at = &r->first; *at;) {
		struct named *n = *at;

		n->asked = false;
		if (n->dropped) {
			drop(at);
			continue;
		}
		plan(n, 0);
		at = &n->next;
	}
}

static bool use_dns(struct resolver *r, const struct dns *dns, struct err *err)
{
	struct dns_channel *channel;

	if (r->channel && memcmp(dns, &r->dns, sizeof(*dns)) == 0)
		return true;
	channel = dns_channel_create(r->loop, dns, err);
	if (!channel)
		return false;
	dns_channel_destroy(r->channel);
	r->channel = channel;
	r->dns = *dns;
	ask_all_again(r);
	return true;
}

static void add(struct resolver *r, const struct model_name *name)
{
	struct named *n = must_alloc(sizeof(*n));

	n->resolver = r;
	strcpy(n->text, name->text); /* DNS_NAME_MAX at most, as the model has seen to */
	n->is = (struct resolver_name){
		.text = n->text, .kind = name->kind, .set = &n->set, .why = ""
	};
	timer_init(&n->due, r->loop, on_due, n);
	timer_init(&n->release, r->loop, on_release, n);
	n->next = r->first;
	r->first = n;
	plan(n, 0);
}

bool resolver_want(struct resolver *r, const struct model *model, struct err *err)
{
	bool known = true;

	err->text[0] = 0;
	if (model->name_count == 0)
		return true;
	if (!use_dns(r, &model->dns, err))
		return false;
	for (uint32_t i = 0; i < model->name_count; i++) {
		const struct model_name *name = &model->names[i];
		struct named *n = find(r, name->kind, name->text);

		if (!n)
			add(r, name);
		known = known && n && is_known(n);
	}
	if (!known && !r->waiting) {
		r->waiting = true;
		timer_start(&r->patience, RESOLVER_WAIT_MS);
	}
	return known;
}

static bool has(const struct model *model, const struct named *n)
{
	for (uint32_t i = 0; i < model->name_count; i++)
		if (model->names[i].kind == n->is.kind &&
		    strcmp(model->names[i].text, n->text) == 0)
			return true;
	return false;
}

void resolver_follow(struct resolver *r, const struct model *model)
{
	for (struct named **at = &r->first; *at;) {
		struct named *n = *at;

		n->followed = has(model, n);
		if (!n->followed && !n->dropped)
			drop(at);
		if (*at == n)
			at = &n->next;
	}
}

const struct resolution *resolver_resolution(const struct resolver *r)
{
	return &r->resolution;
}

void resolver_each(const struct resolver *r,
		   void (*on_name)(void *context, const struct resolver_name *name), void *context)
{
	for (const struct named *n = r->first; n; n = n->next)
		if (!n->dropped)
			on_name(context, &n->is);
}
