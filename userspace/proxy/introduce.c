/* The PROXY protocol: who a client really is, told to us and by us (net/proxy_header). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/must.h"
#include "userspace/net/proxy_header.h"
#include "userspace/proxy/session.h"

/* Reads what belongs to the header and nothing behind it: that may be for a transport. */
static ssize_t take(struct session *s, uint32_t len)
{
	struct conn *conn = s->ends[CLIENT];
	uint32_t room;
	char *at = buf_room(&s->in[CLIENT], &s->proxy->blocks, &room);
	ssize_t n = at && len <= room ? recv(conn->fd, at, len, 0) : 0;

	if (n > 0) {
		buf_added(&s->in[CLIENT], (uint32_t)n);
		conn->got += (uint64_t)n;
	}
	return n;
}

/* What has been read, and what could be, without reading it. */
static ssize_t look(struct session *s, char out[PROXY_HEADER_MAX], uint32_t *out_held)
{
	struct span held = buf_data(&s->in[CLIENT]);
	ssize_t n;

	MUST(held.len <= PROXY_HEADER_MAX);
	if (held.len > 0)
		memcpy(out, held.at, held.len);
	*out_held = (uint32_t)held.len;
	n = recv(s->ends[CLIENT]->fd, out + held.len, PROXY_HEADER_MAX - held.len, MSG_PEEK);
	return n < 0 && errno == EAGAIN ? 0 : n == 0 ? -1 : n;
}

static void refuse(struct session *s)
{
	stat_add(&session_stats(s)->bad_requests, 1);
	session_close(s);
}

static void introduced(struct session *s, const struct proxy_header *header)
{
	if (header->has_addresses && !header->is_datagram) {
		s->client = header->source;
		s->asked = header->destination;
	}
	buf_clear(&s->in[CLIENT], &s->proxy->blocks);
	s->readable[CLIENT] = true;
	session_begin(s);
}

bool introduce_read(struct session *s)
{
	char bytes[PROXY_HEADER_MAX];
	enum proxy_header_reason why;
	struct proxy_header header;
	uint32_t held;
	ssize_t more = look(s, bytes, &held);

	if (more < 0) {
		session_close(s);
		return false;
	}
	switch (proxy_header_parse(span_make(bytes, held + (size_t)more), &header, &why)) {
	case PROXY_HEADER_DONE:
		/* Spans of the header point into bytes, which stay. */
		if (take(s, header.used - held) == (ssize_t)(header.used - held))
			introduced(s, &header);
		else
			session_close(s);
		return s->state != SESSION_CLOSED;
	case PROXY_HEADER_NEED_MORE:
		if (more > 0 && take(s, (uint32_t)more) != more)
			session_close(s);
		s->readable[CLIENT] = false;
		return false;
	default:
		refuse(s);
		return false;
	}
}

void introduce_client(struct session *s, struct conn *conn, const struct upstream *upstream)
{
	char bytes[PROXY_HEADER_WRITE_MAX];
	/* Whom the client asked, its first proxy knows: the same family as the client's, too. */
	struct proxy_header header = {
		.source = s->client,
		.destination = s->asked.port ? s->asked : *conn_local(s->ends[CLIENT]),
		.has_addresses = true,
	};
	size_t len;

	if (upstream->proxy_protocol == PROXY_PROTOCOL_NONE)
		return;
	header.version = upstream->proxy_protocol == PROXY_PROTOCOL_V1 ? 1 : 2;
	len = proxy_header_write(&header, bytes);
	MUST(len > 0); /* it has no spans that could be too long */
	conn->prelude = must_alloc(len);
	memcpy(conn->prelude, bytes, len);
	conn->prelude_len = (uint16_t)len;
}
