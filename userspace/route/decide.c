#include "userspace/route/decide.h"

#include "userspace/http/path.h"
#include "userspace/route/country.h"
#include "userspace/route/route_split.h"

enum { HOST_TEXT_MAX = 262 /* with a port */ };

const struct h1_limits decide_limits = { .head_bytes = DECIDE_HEAD_BYTES,
					 .line_bytes = 8192,
					 .fields = FIELDS_MAX };

static struct span field_of(const void *context, struct span name)
{
	return message_value(context, name);
}

struct scrub decide_scrub(const struct listener *listener)
{
	const struct listener_request_id *id = &listener->request_id;

	return (struct scrub){ listener->requests.underscores,
			       { span_of(listener->tls.client_subject),
				 span_of(id->forward ? id->header : NULL) } };
}

static struct decision refuse(enum decided kind, uint16_t status)
{
	return (struct decision){ .kind = kind, .status = status };
}

static struct span client_text(const struct asked *asked, struct addr_text *text)
{
	struct addr client;

	if (!asked->client)
		return (struct span){ NULL, 0 };
	client = *asked->client;
	client.port = 0;
	*text = addr_print(&client);
	return span_of(text->text);
}

static struct span scheme_of(const struct asked *asked)
{
	return asked->secure ? SPAN("https") : SPAN("http");
}

static struct rewrite_values values_of(const struct asked *asked, const struct decision *d,
				       struct addr_text *text)
{
	return (struct rewrite_values){
		.client = client_text(asked, text),
		.route = span_of(d->route->name),
		.upstream = span_of(d->upstream ? d->upstream->name : NULL),
	};
}

static void of_request(const struct asked *asked, const struct message *msg,
		       const struct decision *d, struct rewrite_values *values)
{
	values->host = msg->host;
	values->path = d->path;
	values->query = msg->query;
	values->method = msg->method;
	values->scheme = scheme_of(asked);
	rewrite_capture(d->route, values);
}

/* Whether a host that is made of parts of the request is one. */
static bool makes_host(const struct asked *asked, const struct message *msg,
		       const struct decision *d)
{
	const struct route *route = d->route;
	const struct place_change *change = route->action == ROUTE_REDIRECT ? route->place
					    : route->filters ? &route->filters->rewrite
							     : NULL;
	char bytes[HOST_TEXT_MAX];
	struct rewrite_room room = { bytes, sizeof(bytes) };
	struct rewrite_values values;
	struct addr_text client;
	struct span text, host;
	uint16_t port;

	if (!change || !change->host_varies)
		return true;
	values = values_of(asked, d, &client);
	of_request(asked, msg, d, &values);
	return rewrite_text(change->host, route, &values, &room, &text) &&
	       field_parse_host(text, &host, &port);
}

struct decision decide(const struct asked *asked, struct message *msg, char *path, size_t room)
{
	const struct listener *l = asked->listener;
	struct scrub scrub = decide_scrub(l);
	struct decision d = { .kind = DECIDED_UPSTREAM };
	struct route_request req = { .host = msg->host,
				     .query = msg->query,
				     .method = msg->method,
				     .sni = asked->sni,
				     .alpn = asked->alpn,
				     .subject = asked->subject,
				     .session_id = asked->session_id,
				     .session_resumed = asked->session_resumed,
				     .client = asked->client,
				     .listener = l,
				     .trace = asked->trace,
				     .losers = asked->losers,
				     .field = field_of,
				     .context = msg };
	size_t len;

	if (msg->method_id == METHOD_CONNECT)
		return refuse(DECIDED_NO_CONNECT, 405);
	if (!path_normalise(msg->path, l->requests.paths, path, room, &len))
		return refuse(DECIDED_BAD_PATH, 400);
	if (!scrub_request(msg, &scrub))
		return refuse(DECIDED_BAD_FIELD, 400);
	req.country = country_of(l->routes->countries, asked->client);
	req.path = d.path = span_make(path, len);
	d.route = router_find(l->routes, &req);
	if (!d.route) {
		d.kind = DECIDED_NO_ROUTE;
		d.status = 404;
		return d;
	}
	/* Which is said of it at the end: until then its text has come from memory. */
	__builtin_prefetch(d.route->name);
	if (d.route->action == ROUTE_UPSTREAM) {
		d.upstream = route_split_by(d.route, &req, asked->chance, &d.split_by);
	} else {
		d.kind = DECIDED_ANSWER;
		d.status = d.route->status;
	}
	return makes_host(asked, msg, &d) ? d : refuse(DECIDED_BAD_PATH, 400);
}

/* --- what filters write ------------------------------------------------------------------- */

struct edits {
	const struct header_edit *list;
	uint32_t count;
	const struct route *route;
	const struct rewrite_values *values;
};

static bool edit(const struct edits *edits, struct rewrite_room *room, struct filter_fields *fields)
{
	for (uint32_t i = 0; i < edits->count; i++) {
		const struct header_edit *e = &edits->list[i];
		struct field field = { .name = span_of(e->name) };

		if (e->value &&
		    !rewrite_text(e->value, edits->route, edits->values, room, &field.value))
			return false;
		if (e->add)
			fields->added[fields->added_count++] = field;
		else
			fields->set[fields->set_count++] = field;
	}
	return true;
}

static bool filter_request(const struct asked *asked, const struct message *msg,
			   const struct decision *d, struct rewrite_room *room,
			   struct filter_fields *fields)
{
	const struct filters *filters = d->route->filters;
	struct rewrite_values values;
	struct addr_text client;

	fields->path = d->path;
	if (!filters)
		return true;
	values = values_of(asked, d, &client);
	of_request(asked, msg, d, &values);
	if (!rewrite_host(&filters->rewrite, d->route, &values, room, &fields->host))
		return false;
	return edit(&(struct edits){ filters->request, filters->request_count, d->route, &values },
		    room, fields) &&
	       rewrite_path(&filters->rewrite, d->route, &values, room, &fields->path);
}

bool decide_response(const struct asked *asked, const struct decision *d, struct rewrite_room room,
		     struct filter_fields *fields)
{
	const struct filters *filters = d->route ? d->route->filters : NULL;
	struct rewrite_values values;
	struct addr_text client;

	if (!filters)
		return true;
	values = values_of(asked, d, &client);
	return edit(
		&(struct edits){ filters->response, filters->response_count, d->route, &values },
		&room, fields);
}

struct span decide_location(const struct asked *asked, const struct message *msg,
			    const struct decision *d, struct rewrite_room room)
{
	struct span location = { NULL, 0 };
	struct rewrite_values values;
	struct addr_text client;

	if (d->route->place->to)
		return span_of(d->route->place->to);
	values = values_of(asked, d, &client);
	of_request(asked, msg, d, &values);
	rewrite_location(d->route, msg->port, &values, &room, &location);
	return location;
}

/* What an endpoint is told whatever the client says, so that none can pretend to be somebody. */
static uint32_t own_fields(const struct asked *asked, struct field *set)
{
	const struct listener_request_id *policy = &asked->listener->request_id;
	struct span name = span_of(asked->listener->tls.client_subject);
	uint32_t count = 0;

	if (name.at)
		set[count++] = (struct field){
			.name = name,
			.value = asked->subject.at ? asked->subject : SPAN(""),
		};
	if (policy->forward && asked->id.len > 0)
		set[count++] =
			(struct field){ .name = span_of(policy->header), .value = asked->id };
	return count;
}

static struct forwarded forwarded_of(const struct asked *asked, struct addr_text *text)
{
	const struct listener_forwarded *rules = &asked->listener->forwarded;
	struct addr client = { 0 };

	if (asked->client)
		client = *asked->client;
	client.port = 0;
	return (struct forwarded){
		.modes = rules->modes,
		.via = SPAN("shunt"),
		.trusted = network_list_has(&rules->trusted, &client),
		.client = client_text(asked, text),
		.proto = scheme_of(asked),
	};
}

bool decide_head(const struct asked *asked, const struct message *msg, const struct decision *d,
		 struct rewrite_room texts, struct h1_writer *w)
{
	struct filter_fields fields = { .set_count = 0 };
	struct addr_text text;
	struct h1_sent how = { .framing = (enum body_framing)msg->framing,
			       .length = msg->content_length,
			       .keep_alive = true,
			       .upgrade = msg->upgrade,
			       .keep_expect = msg->expect_100,
			       .forwarded = forwarded_of(asked, &text),
			       .set = fields.set,
			       .added = fields.added };

	fields.set_count = own_fields(asked, fields.set);
	if (!filter_request(asked, msg, d, &texts, &fields))
		return false;
	how.set_count = fields.set_count;
	how.added_count = fields.added_count;
	how.path = fields.path;
	how.host = fields.host;
	return h1_writer_request(w, msg, &how);
}
