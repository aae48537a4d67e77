#include "userspace/control/splice_log.h"

#include <stdlib.h>
#include <string.h>

#include "bpf/abi/splice.h"
#include "userspace/base/must.h"
#include "userspace/proxy/access_log.h"

struct splice_log {
	struct access_log *log; /* NULL: nobody reads */
	struct snapshot *snapshot;
};

struct splice_log *splice_log_create(struct log_sink *sink, struct snapshot *snapshot)
{
	struct splice_log *log = must_alloc(sizeof(*log));

	log->log = access_log_create(sink);
	log->snapshot = snapshot_ref(snapshot);
	return log;
}

void splice_log_destroy(struct splice_log *log)
{
	if (!log)
		return;
	access_log_destroy(log->log);
	snapshot_unref(log->snapshot);
	free(log);
}

void splice_log_follow(struct splice_log *log, struct snapshot *snapshot)
{
	snapshot_unref(log->snapshot);
	log->snapshot = snapshot_ref(snapshot);
}

static bool vip_has(const struct vip *vip, const struct addr *address)
{
	for (uint32_t i = 0; i < vip->address_count; i++)
		if (memcmp(vip->addresses[i].ip, address->ip, sizeof(address->ip)) == 0)
			return true;
	return false;
}

/* NULL where it was removed since. */
static const struct listener *listener_at(const struct model *model, const struct addr *address)
{
	for (uint32_t i = 0; i < model->vip_count; i++) {
		const struct vip *vip = &model->vips[i];

		for (uint32_t k = 0; vip_has(vip, address) && k < vip->listener_count; k++)
			if (vip->listeners[k].protocol != LISTENER_UDP &&
			    vip->listeners[k].port == ntohs(address->port))
				return &vip->listeners[k];
	}
	return NULL;
}

static const struct {
	enum end_reason end, by_endpoint;
} reasons[SPLICE_ENDINGS] = {
	[SPLICE_ENDING_DONE] = { END_DONE, END_DONE },
	[SPLICE_ENDING_RESET] = { END_TUNNEL_CLIENT, END_TUNNEL_ENDPOINT },
	[SPLICE_ENDING_IDLE] = { END_TUNNEL_IDLE, END_TUNNEL_IDLE },
	[SPLICE_ENDING_OLD] = { END_TUNNEL_OLD, END_TUNNEL_OLD },
	[SPLICE_ENDING_KILLED] = { END_KILLED, END_KILLED },
	[SPLICE_ENDING_DRAINED] = { END_DRAINED, END_DRAINED },
	[SPLICE_ENDING_LOST] = { END_LOST, END_LOST },
	[SPLICE_ENDING_MOVED] = { END_MOVED, END_MOVED },
};

static struct addr addr_of(const __be32 *ip, __be16 port)
{
	struct addr a = { .port = port };

	memcpy(a.ip, ip, sizeof(a.ip));
	return a;
}

void splice_log_write(struct splice_log *log, const struct splice_end *end)
{
	const struct splice *sp = end->splice;
	const struct flow_key *in = &sp->dir[1].out, *out = &sp->dir[0].out;
	bool by_ends = end->how == SPLICE_ENDING_DONE || end->how == SPLICE_ENDING_RESET;
	struct addr vip = addr_of(in->src, in->sport);
	char upstream[sizeof(sp->name) + 1] = { 0 };
	struct access_line line = {
		.node = &log->snapshot->model->node,
		.config = &log->snapshot->model->log,
		.session = sp->session,
		.client = addr_of(in->dst, in->dport),
		.listener = listener_at(log->snapshot->model, &vip),
		.upstream = upstream,
		.endpoint = addr_of(out->dst, out->dport),
		.bytes_in = sp->dir[0].bytes,
		.bytes_out = sp->dir[1].bytes,
		.splice = "ended",
		.splice_us = end->lived_ms * 1000,
		.closed_by = !by_ends           ? "shunt"
			     : end->by_endpoint ? "endpoint"
						: "client",
		.end = end->by_endpoint ? reasons[end->how].by_endpoint : reasons[end->how].end,
	};

	if (!access_log_is_used(log->log))
		return;
	memcpy(upstream, sp->name, sizeof(sp->name));
	access_log_write(log->log, &line);
}
