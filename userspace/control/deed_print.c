#include "userspace/control/deed_print.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "userspace/control/deed_words.h"
#include "userspace/control/explain_parts.h"

enum { TIME_BYTES = 40, REQUEST_BYTES = 512 };

/* A deed, and what its configuration says of it. */
struct told {
	const struct deed *d;
	const struct model *model; /* NULL: so are all below */
	const struct listener *listener;
	const struct route_table *table;
	const struct route *route; /* NULL: none was taken, too */
};

static json_t *text(const struct deed *d, enum deed_piece piece)
{
	struct span s = deed_piece(d, piece);

	return explain_part_text(s.len > 0 ? s : (struct span){ 0 });
}

static json_t *time_of(uint64_t ms)
{
	time_t seconds = (time_t)(ms / 1000);
	char made[TIME_BYTES];
	struct tm utc;
	size_t len;

	gmtime_r(&seconds, &utc);
	len = strftime(made, sizeof(made), "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(made + len, sizeof(made) - len, ".%03uZ", (unsigned)(ms % 1000));
	return json_string(made);
}

static const struct listener *listener_of(const struct model *model, const struct deed *d)
{
	for (uint32_t i = 0; i < model->vip_count; i++)
		for (uint32_t k = 0; k < model->vips[i].listener_count; k++) {
			const struct listener *l = &model->vips[i].listeners[k];

			if (l->index == d->listener && l->port == d->port)
				return l;
		}
	return NULL;
}

/* A model that does not fit it is none. */
static struct told look_up(const struct deed *d, const struct model *model)
{
	struct told t = { .d = d };
	const struct listener *l = model ? listener_of(model, d) : NULL;

	if (!l)
		return t;
	t.model = model;
	t.listener = l;
	t.table = l->routes;
	if (t.table && d->route < t.table->count)
		t.route = &t.table->routes[d->route];
	return t;
}

static const struct upstream *upstream_of(const struct told *t)
{
	struct span name = deed_piece(t->d, DEED_UPSTREAM);

	for (uint32_t i = 0; t->model && i < t->model->upstream_count; i++)
		if (span_is(name, span_of(t->model->upstreams[i].name)))
			return &t->model->upstreams[i];
	return NULL;
}

static bool is_headless(const struct deed *d)
{
	return d->end == END_BAD_HEAD || d->end == END_HEAD_TIMEOUT || d->end == END_HEAD_SLOW;
}

static void print_request(json_t *all, const struct told *t)
{
	const struct deed *d = t->d;
	char made[REQUEST_BYTES], port[16] = "";
	struct span host = deed_piece(d, DEED_HOST);

	if (d->port != (d->secure ? 443 : 80))
		snprintf(port, sizeof(port), ":%u", d->port);
	if (d->lengths[DEED_METHOD] > 0)
		snprintf(made, sizeof(made), "%.*s %s://%.*s%s%.*s",
			 SPAN_ARG(deed_piece(d, DEED_METHOD)), d->secure ? "https" : "http",
			 SPAN_ARG(host), port, SPAN_ARG(deed_piece(d, DEED_PATH)));
	else
		snprintf(made, sizeof(made), "%s%s%.*s",
			 is_headless(d) ? "a request whose head could not be read" : "a connection",
			 host.len > 0 ? " for " : "", SPAN_ARG(host));
	json_object_set_new(all, "request_id", text(d, DEED_ID));
	json_object_set_new(all, "request", explain_part_text(span_of(made)));
	json_object_set_new(all, "cut", json_boolean(d->cut));
	json_object_set_new(all, "from", json_string(addr_print(&d->client).text));
	if (d->phase == PHASE_OVER)
		json_object_set_new(all, "ended", time_of(d->ended_ms));
	else
		json_object_set_new(all, "under_way", json_string(deed_words_phase(d->phase)));
	json_object_set_new(all, "session", json_integer((json_int_t)d->session));
	json_object_set_new(all, "snapshot", json_integer(d->snapshot));
}

static void print_listener(json_t *all, const struct told *t, const struct snapshot *snapshot)
{
	const struct deed *d = t->d;
	const struct tls_server *server =
		snapshot && t->listener ? snapshot->servers[d->listener] : NULL;
	char sni[DEED_TEXT_BYTES + 1], port[16];

	snprintf(sni, sizeof(sni), "%.*s",
		 SPAN_ARG(deed_piece(d, d->sni_is_host ? DEED_HOST : DEED_SNI)));
	snprintf(port, sizeof(port), "port %u", d->port);
	if (t->listener)
		explain_part_listener(all, t->listener);
	else
		json_object_set_new(all, "listener", json_string(port));
	if (sni[0])
		json_object_set_new(all, "server_name", explain_part_text(span_of(sni)));
	if (server && d->secure)
		json_object_set_new(
			all, "certificate",
			json_string(tls_server_certificate(server, sni[0] ? sni : NULL)->name));
	json_object_set_new(all, "method", text(d, DEED_METHOD));
	json_object_set_new(all, "host", text(d, DEED_HOST));
	json_object_set_new(all, "path", text(d, DEED_PATH));
}

/* Whether the route asks for what it lost by: else it is another one. */
static bool lost_by(const struct route *r, const struct deed_loser *l)
{
	const struct conditions *when = r->when;

	switch ((enum route_miss)l->miss) {
	case MISS_NONE:
		return false;
	case MISS_PATH:
		return r->path;
	case MISS_METHOD:
		return r->method_count > 0;
	case MISS_HEADER:
		return l->which < r->header_count;
	case MISS_COOKIE:
		return when && l->which < when->cookie_count;
	case MISS_QUERY:
		return when && l->which < when->query_count;
	case MISS_LISTENER:
		return when && when->listener_count > 0;
	case MISS_SNI:
		return when && when->sni_count > 0;
	case MISS_ALPN:
		return when && when->alpn;
	case MISS_SUBJECT:
		return when && when->subject;
	case MISS_SESSION_ID:
		return when && when->session_id;
	default:
		return when;
	}
}

static json_t *print_loser(const struct told *t, const struct deed_loser *l)
{
	struct route_try tried = { .miss = (enum route_miss)l->miss, .which = l->which };

	if (t->table && l->route < t->table->count)
		tried.route = &t->table->routes[l->route];
	if (!tried.route || !lost_by(tried.route, l))
		return json_pack("{s:n, s:n, s:b, s:b, s:s}", "route", "line", "matches", false,
				 "taken", false, "why", deed_words_miss(l->miss));
	return explain_part_candidate(&tried, t->route);
}

static void print_route(json_t *all, const struct told *t)
{
	const struct deed *d = t->d;
	struct route_try taken = { .route = t->route };
	json_t *list = json_array();

	for (uint32_t i = 0; i < d->loser_count; i++)
		json_array_append_new(list, print_loser(t, &d->losers[i]));
	if (t->route)
		json_array_append_new(list, explain_part_candidate(&taken, t->route));
	else if (d->lengths[DEED_ROUTE] > 0 && t->listener) /* a server name's */
		json_array_append_new(
			list, json_pack("{s:o, s:i, s:b, s:b, s:s}", "route", text(d, DEED_ROUTE),
					"line", (int)d->route_line, "matches", true, "taken", true,
					"why", "it matches, and nothing more specific does"));
	json_object_set_new(all, "candidates", list);
	json_object_set_new(all, "candidates_not_shown", json_integer(d->losers_more));
	json_object_set_new(all, "route", text(d, DEED_ROUTE));
	if (d->lengths[DEED_ROUTE] > 0)
		json_object_set_new(all, "line", json_integer(d->route_line));
	if (!t->route)
		return;
	explain_part_changes(all, t->route);
	if (t->route->action == ROUTE_REDIRECT && t->route->place->to)
		json_object_set_new(all, "location", json_string(t->route->place->to));
}

/* Whom a cookie names that did not lead there. */
static const struct addr *named_by(const struct deed *d)
{
	if (d->kept_unfit)
		return &d->unfit[0].to;
	return d->keeps && d->asked > 1 ? &d->attempts[0].to : NULL;
}

/* Which was wanted, before another one stood in for it; NULL: not known. */
static const struct upstream *wanted_of(const struct told *t)
{
	const struct split *split = t->route ? t->route->split : NULL;
	const struct deed *d = t->d;

	if (split)
		return d->share < split->count ? split->shares[d->share].upstream : NULL;
	if (!d->failed_over || !t->listener)
		return upstream_of(t);
	if (t->route)
		return t->route->upstream;
	return d->route < t->listener->sni_count ? t->listener->sni[d->route].upstream
						 : t->listener->upstream;
}

static void print_upstream(json_t *all, const struct told *t)
{
	const struct deed *d = t->d;
	const struct upstream *u = upstream_of(t), *wanted = wanted_of(t);
	struct explain_keeping keeping = {
		u, d->keyed, d->keeps, d->foreign, d->kept, named_by(d)
	};

	explain_part_split(all, t->route, wanted, (enum sticky)d->split_by);
	if (d->failed_over)
		json_object_set_new(all, "stands_in_for",
				    wanted && wanted != u ? json_string(wanted->name)
							  : json_string("another upstream"));
	json_object_set_new(all, "upstream", text(d, DEED_UPSTREAM));
	if (!u)
		return;
	json_object_set_new(all, "persistence",
			    json_string(explain_words_persistence(&keeping).text));
	json_object_set_new(all, "balance", json_string(explain_words_balance(u).text));
}

static void print_unfit(json_t *all, const struct deed *d)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < d->unfit_count; i++)
		json_array_append_new(list, json_pack("{s:s, s:s, s:b}", "endpoint",
						      addr_print(&d->unfit[i].to).text, "state",
						      deed_words_unfit(d->unfit[i].cause), "chosen",
						      addr_is(&d->unfit[i].to, &d->endpoint)));
	json_object_set_new(all, "endpoints", list);
	json_object_set_new(all, "more_unfit", json_boolean(d->unfit_more));
}

static void print_attempts(json_t *all, const struct deed *d)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < d->attempt_count; i++) {
		const struct deed_attempt *a = &d->attempts[i];

		json_array_append_new(list, json_pack("{s:s, s:i, s:i, s:s, s:s}", "endpoint",
						      addr_print(&a->to).text, "after_ms",
						      (int)a->at_ms, "status", (int)a->status,
						      "end", end_reason_words[a->end], "why",
						      deed_words_attempt(d, i).text));
	}
	json_object_set_new(all, "attempts", list);
	json_object_set_new(all, "endpoints_asked", json_integer(d->asked));
	json_object_set_new(all, "connections", json_integer(d->tries));
	if (deed_words_refusal(d))
		json_object_set_new(all, "not_retried", json_string(deed_words_refusal(d)));
}

static uint32_t priority_of(const struct told *t)
{
	const struct upstream *u = upstream_of(t);

	for (uint32_t i = 0; u && i < u->endpoint_count; i++)
		if (addr_is(&u->endpoints[i].address, &t->d->endpoint))
			return u->endpoints[i].priority;
	return 0;
}

static void print_endpoint(json_t *all, const struct told *t)
{
	const struct deed *d = t->d;

	print_unfit(all, d);
	json_object_set_new(all, "endpoint",
			    d->endpoint.port ? json_string(addr_print(&d->endpoint).text)
					     : json_null());
	json_object_set_new(all, "endpoint_why",
			    json_string(deed_words_choice(d, priority_of(t)).text));
	print_attempts(all, d);
	if (d->asked == 0)
		return;
	json_object_set_new(all, "reused", json_boolean(d->reused));
	json_object_set_new(all, "spliced",
			    json_string(!d->spliced ? "none"
					: d->tunnel ? "full"
						    : "bodies"));
	json_object_set_new(all, "spliced_why", json_string(deed_words_splice(d).text));
}

static uint64_t first_of(uint64_t a, uint64_t b, uint64_t c)
{
	return a ? a : b ? b : c;
}

/* The phase until then, from where the one before has ended. */
static void print_phase(json_t *times, const char *name, uint64_t *begin, uint64_t until)
{
	uint64_t took = until > *begin ? until - *begin : 0;

	json_object_set_new(times, name, json_integer((json_int_t)took));
	*begin = until;
}

/* As the access log has them; so far, of one that is under way. */
static void print_times(json_t *all, const struct deed *d)
{
	json_t *times = json_object();
	uint64_t begin = 0;

	print_phase(times, "head_us", &begin, first_of(d->head_us, d->answered_us, d->total_us));
	if (d->queued_us > d->head_us)
		print_phase(times, "queue_us", &begin, d->queued_us);
	if (d->head_us && d->lengths[DEED_UPSTREAM] > 0)
		print_phase(times, "connect_us", &begin,
			    first_of(d->connected_us, d->answered_us, d->total_us));
	if (d->connected_us && (d->answered_us || !d->tunnel))
		print_phase(times, "response_us", &begin, first_of(d->answered_us, d->total_us, 0));
	if (d->answered_us || (d->connected_us && d->tunnel))
		print_phase(times, "transfer_us", &begin, d->total_us);
	json_object_set_new(times, "total_us", json_integer((json_int_t)d->total_us));
	json_object_set_new(times, "exact", json_boolean(d->timed));
	json_object_set_new(all, "times", times);
}

static const char *action_of(const struct told *t)
{
	const struct deed *d = t->d;

	if (d->lengths[DEED_UPSTREAM] > 0 && (d->asked > 0 || d->end == END_DONE))
		return "upstream";
	if (d->end != END_DONE || !t->route)
		return "refused";
	return t->route->action == ROUTE_REDIRECT ? "redirect" : "respond";
}

json_t *deed_print(const struct deed *d, const struct model *model, const struct snapshot *snapshot)
{
	struct told t = look_up(d, model);
	json_t *all = json_object();

	print_request(all, &t);
	print_listener(all, &t, snapshot);
	json_object_set_new(all, "configuration_known", json_boolean(t.model != NULL));
	print_route(all, &t);
	if (t.model || d->lengths[DEED_UPSTREAM] > 0)
		json_object_set_new(all, "action", json_string(action_of(&t)));
	print_upstream(all, &t);
	if (d->lengths[DEED_UPSTREAM] > 0)
		print_endpoint(all, &t);
	print_times(all, d);
	json_object_set_new(all, "status", d->status ? json_integer(d->status) : json_null());
	json_object_set_new(all, "end", json_string(end_reason_words[d->end]));
	explain_part_because(all, (enum end_reason)d->end, deed_piece(d, DEED_DETAIL));
	return all;
}
