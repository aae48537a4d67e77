/* Server ids of endpoints: do they fit the listeners that send by them? */
#include <string.h>

#include "userspace/model/model_parts.h"

static const struct endpoint *same_id(const struct upstream *u, const struct endpoint *e)
{
	for (const struct endpoint *other = u->endpoints; other < e; other++)
		if (other->server_id_bytes == e->server_id_bytes &&
		    memcmp(other->server_id, e->server_id, e->server_id_bytes) == 0)
			return other;
	return NULL;
}

static void check_unique(struct building *b, const struct upstream *u)
{
	for (uint32_t i = 0; i < u->endpoint_count; i++) {
		const struct endpoint *e = &u->endpoints[i];
		const struct endpoint *other = e->server_id_bytes ? same_id(u, e) : NULL;

		if (other)
			finding(&b->reading, e->at,
				"this endpoint of upstream \"%s\" has the server_id of that at "
				"line %u; "
				"connection ids would name both",
				u->name, other->at.line);
	}
}

/* An id that we made up would be none that the server puts into its connection ids. */
static void check_lengths(struct building *b, const struct listener *l)
{
	for (uint32_t i = 0; l->upstream && i < l->upstream->endpoint_count; i++) {
		const struct endpoint *e = &l->upstream->endpoints[i];

		if (!e->server_id_bytes)
			finding(&b->reading, e->at,
				"this endpoint needs \"server_id\", as its server has it: the "
				"listener "
				"of port %u with \"quic\" sends by it",
				l->port);
		else if (e->server_id_bytes != l->quic.server_id_bytes)
			finding(&b->reading, e->at,
				"the server_id of this endpoint has %u bytes, but the listener of "
				"port %u "
				"says server_id_bytes: %u",
				e->server_id_bytes, l->port, l->quic.server_id_bytes);
	}
}

void check_quic(struct building *b)
{
	const struct model *m = b->model;
	uint64_t ids = 0;

	for (uint32_t i = 0; i < m->upstream_count; i++)
		check_unique(b, &m->upstreams[i]);
	for (uint32_t i = 0; i < m->vip_count; i++)
		for (uint32_t k = 0; k < m->vips[i].listener_count; k++) {
			const struct listener *l = &m->vips[i].listeners[k];

			if (!l->quic.given || l->protocol != LISTENER_UDP ||
			    !l->quic.server_id_bytes)
				continue;
			check_lengths(b, l);
			ids += l->upstream ? l->upstream->endpoint_count : 0;
		}
	if (ids > QUIC_IDS_LIMIT)
		finding(&b->reading, m->vips[0].at,
			"expected at most %d endpoints of all listeners with \"quic\" together, "
			"found "
			"%llu",
			QUIC_IDS_LIMIT, (unsigned long long)ids);
}
