#include "tools/shuntctl/key_warn.h"

/* Upstream u, or one that hands over to it. */
static bool leads_to(const struct upstream *from, const struct upstream *u)
{
	for (int i = 0; from && i <= FAILOVER_MAX; i++, from = from->failover)
		if (from == u)
			return true;
	return false;
}

/* Whether connections of the listener go to it, as they are. */
static bool has_tunnels(const struct listener *l, const struct upstream *u)
{
	for (uint32_t i = 0; i < l->sni_count; i++)
		if (leads_to(l->sni[i].upstream, u))
			return true;
	return l->protocol == LISTENER_TCP_PROXY && leads_to(l->upstream, u);
}

static const struct listener *find_tunnels(const struct model *m, const struct upstream *u)
{
	for (uint32_t i = 0; i < m->vip_count; i++)
		for (uint32_t k = 0; k < m->vips[i].listener_count; k++)
			if (has_tunnels(&m->vips[i].listeners[k], u))
				return &m->vips[i].listeners[k];
	return NULL;
}

/* What of an upstream a tunnel cannot have; NULL: all of it can. */
static const char *needs(const struct upstream *u)
{
	const struct persistence *p = &u->persistence;
	static const char *const keys[KEY_KINDS] = {
		[KEY_HEADER] = "hash_on: header",
		[KEY_COOKIE] = "hash_on: cookie",
		[KEY_QUERY] = "hash_on: query",
		[KEY_PATH] = "hash_on: path",
		[KEY_TLS_SESSION] = "hash_on: tls-session",
	};

	if (p->kind == PERSISTENCE_COOKIE || p->kind == PERSISTENCE_APPLICATION)
		return "the cookie of \"persistence\"";
	if (p->kind == PERSISTENCE_HASH && keys[p->hash_on.kind])
		return keys[p->hash_on.kind];
	return u->balance == BALANCE_MAGLEV ? keys[u->hash_on.kind] : NULL;
}

static bool wants_session(const struct upstream *u)
{
	return (u->persistence.kind == PERSISTENCE_HASH &&
		u->persistence.hash_on.kind == KEY_TLS_SESSION) ||
	       (u->balance == BALANCE_MAGLEV && u->hash_on.kind == KEY_TLS_SESSION);
}

void key_warn(const struct model *model, struct warnings *out)
{
	out->count = out->more = 0;
	for (uint32_t i = 0; i < model->upstream_count; i++) {
		const struct upstream *u = &model->upstreams[i];
		const char *what = needs(u);
		const struct listener *l = what ? find_tunnels(model, u) : NULL;

		if (!l)
			continue;
		warnings_add(out,
			     "%s:%u: %s of the upstream \"%s\" does nothing for %s:%u "
			     "(%s): %s; hash_on: client-address would",
			     u->at.file, u->at.line, what, u->name, l->vip->name, l->port,
			     listener_protocol_names[l->protocol],
			     wants_session(u) ? "the endpoint ends the TLS, so that the session's "
						"id is between it and the client"
					      : "there are no requests, only connections");
	}
}
