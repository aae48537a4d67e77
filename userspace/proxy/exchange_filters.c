/* What a route changes of its requests and responses: who asks for it here, and where it goes. */
#include "userspace/proxy/session.h"
#include "userspace/tls/transport_tls.h"

struct asked exchange_asked(const struct session *s)
{
	return (struct asked){ .listener = s->listener,
			       .client = &s->client,
			       .sni = span_of(transport_tls_name(s->ends[CLIENT])),
			       .alpn = transport_tls_alpn(s->ends[CLIENT]),
			       .session_id = s->ends[CLIENT]->secured_as,
			       .session_resumed = s->ends[CLIENT]->resumed,
			       .id = access_note_piece(s->ex.note, PIECE_ID),
			       .secure = s->ends[CLIENT]->ops != NULL,
			       .chance = s->proxy->dealt };
}

struct rewrite_room exchange_texts(const struct session *s)
{
	return (struct rewrite_room){ s->proxy->texts, sizeof(s->proxy->texts) };
}

bool exchange_filter_response(struct session *s, struct filter_fields *fields, struct h1_sent *how)
{
	struct decision decision = { .route = s->ex.route, .upstream = s->ex.upstream };
	struct asked asked = exchange_asked(s);

	fields->set_count = fields->added_count = 0;
	if (s->listener->request_id.answer && s->ex.note)
		fields->set[fields->set_count++] =
			(struct field){ .name = span_of(s->listener->request_id.header),
					.value = asked.id };
	if (!decide_response(&asked, &decision, exchange_texts(s), fields))
		return false;
	how->set = fields->set;
	how->set_count = fields->set_count;
	how->added = fields->added;
	how->added_count = fields->added_count;
	return true;
}
