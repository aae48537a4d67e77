/* What a route changes of its requests and responses. */
#include "userspace/http/h1_writer.h"
#include "userspace/proxy/session.h"
#include "userspace/route/rewrite.h"

static struct rewrite_values values_of(const struct session *s, struct addr_text *client)
{
	struct addr address = s->client;

	address.port = 0;
	*client = addr_print(&address);
	return (struct rewrite_values){
		.client = span_of(client->text),
		.route = span_of(s->ex.route->name),
		.upstream = span_of(s->ex.upstream ? s->ex.upstream->name : NULL),
	};
}

static void of_request(const struct session *s, const struct message *msg, struct span path,
		       struct rewrite_values *values)
{
	values->host = msg->host;
	values->path = path;
	values->query = msg->query;
	values->method = msg->method;
	values->scheme = s->ends[CLIENT]->ops ? SPAN("https") : SPAN("http");
	rewrite_capture(s->ex.route, values);
}

static bool edit(const struct session *s, const struct header_edit *edits, uint32_t count,
		 const struct rewrite_values *values, struct rewrite_room *room,
		 struct filter_fields *fields)
{
	for (uint32_t i = 0; i < count; i++) {
		struct field field = { .name = span_of(edits[i].name) };

		if (edits[i].value &&
		    !rewrite_text(edits[i].value, s->ex.route, values, room, &field.value))
			return false;
		if (edits[i].add)
			fields->added[fields->added_count++] = field;
		else
			fields->set[fields->set_count++] = field;
	}
	return true;
}

bool exchange_filter_request(struct session *s, const struct message *msg, struct span path,
			     struct filter_fields *fields)
{
	const struct filters *filters = s->ex.route->filters;
	struct rewrite_room room = { s->proxy->texts, sizeof(s->proxy->texts) };
	struct rewrite_values values;
	struct addr_text client;

	fields->path = path;
	if (!filters)
		return true;
	values = values_of(s, &client);
	of_request(s, msg, path, &values);
	fields->host = span_of(filters->rewrite.host);
	return edit(s, filters->request, filters->request_count, &values, &room, fields) &&
	       rewrite_path(&filters->rewrite, s->ex.route, &values, &room, &fields->path);
}

bool exchange_filter_response(struct session *s, struct filter_fields *fields, struct h1_sent *how)
{
	const struct filters *filters = s->ex.route ? s->ex.route->filters : NULL;
	struct rewrite_room room = { s->proxy->texts, sizeof(s->proxy->texts) };
	struct rewrite_values values;
	struct addr_text client;

	fields->set_count = fields->added_count = 0;
	if (s->listener->request_id.answer && s->ex.note)
		fields->set[fields->set_count++] =
			(struct field){ .name = span_of(s->listener->request_id.header),
					.value = access_note_piece(s->ex.note, PIECE_ID) };
	if (filters) {
		values = values_of(s, &client);
		if (!edit(s, filters->response, filters->response_count, &values, &room, fields))
			return false;
	}
	how->set = fields->set;
	how->set_count = fields->set_count;
	how->added = fields->added;
	how->added_count = fields->added_count;
	return true;
}

struct span exchange_location(struct session *s, const struct message *msg, struct span path)
{
	struct rewrite_room room = { s->proxy->texts, sizeof(s->proxy->texts) };
	struct rewrite_values values;
	struct span location = { NULL, 0 };
	struct addr_text client;

	values = values_of(s, &client);
	of_request(s, msg, path, &values);
	rewrite_location(s->ex.route, msg->port, &values, &room, &location);
	return location;
}
