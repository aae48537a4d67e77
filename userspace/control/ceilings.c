#include "userspace/control/ceilings.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "userspace/base/buf.h"
#include "userspace/base/log.h"
#include "userspace/control/listen_table.h"
#include "userspace/control/privileges.h"
#include "userspace/upstream/health_checker.h"

enum {
	FILES_OTHER = 128,
	FILES_PER_WORKER = 16,
	SHED_MOST = 1024, /* sessions that are only told that there is no room */
	SHED_LEAST = 8,
	/*
	 * What a connection at work takes of our memory beside its blocks, as test_memory.py
	 * measures it, and rounded up: 3.6 kB waiting for its endpoint; with TLS 27 to 35 kB
	 * and 44.6 in its handshake; TLS with its endpoint 29 more. At rest 0.4 kB, with TLS 12.4.
	 */
	CONNECTION_BYTES = 4096,
	SECURE_BYTES = 45056,
	SECURE_ENDPOINT_BYTES = 32768,
	BLOCKS_PER_SESSION = 4, /* no more can be in use for one */
	BLOCKS_LEAST = 64,
	MEGA = 1 << 20,
};

uint64_t ceilings_files_other(const struct model *model, uint32_t workers, uint32_t sockets)
{
	uint64_t idle = 0, probes = 0;

	for (uint32_t i = 0; i < model->upstream_count; i++) {
		const struct upstream *u = &model->upstreams[i];

		idle += u->idle_connections;
		probes += u->health.kind ? u->endpoint_count : 0;
	}
	if (probes > HEALTH_PROBES_MAX)
		probes = HEALTH_PROBES_MAX;
	if (idle > PROXY_IDLE_MOST)
		idle = PROXY_IDLE_MOST;
	return FILES_OTHER + sockets + probes + (FILES_PER_WORKER + idle) * workers;
}

/* The number in a file such as memory.max; UINT64_MAX where there is none. */
static uint64_t limit_in(const char *path)
{
	FILE *file = fopen(path, "re");
	uint64_t bytes;

	if (!file)
		return UINT64_MAX;
	if (fscanf(file, "%" SCNu64, &bytes) != 1)
		bytes = UINT64_MAX;
	fclose(file);
	return bytes;
}

/* Of our control group (v2) and those around it. */
static uint64_t limit_of_group(void)
{
	char line[1024] = "", path[1200];
	FILE *file = fopen("/proc/self/cgroup", "re");
	uint64_t least = UINT64_MAX;

	while (file && fgets(line, sizeof(line), file) && strncmp(line, "0::/", 4) != 0)
		line[0] = 0;
	if (file)
		fclose(file);
	line[strcspn(line, "\n")] = 0;
	while (strncmp(line, "0::/", 4) == 0 && line[4]) {
		uint64_t here;

		snprintf(path, sizeof(path), "/sys/fs/cgroup%s/memory.max", line + 3);
		here = limit_in(path);
		least = here < least ? here : least;
		*strrchr(line, '/') = 0;
		if (strlen(line) < 5)
			break;
	}
	return least;
}

uint64_t ceilings_memory(void)
{
	uint64_t machine = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t group = limit_of_group();

	return group < machine ? group : machine;
}

static struct err *sentence(struct ceilings *out)
{
	return &out->sentences[out->sentence_count++];
}

static bool has_secure_listener(const struct model *model)
{
	for (uint32_t i = 0; i < model->vip_count; i++)
		for (uint32_t k = 0; k < model->vips[i].listener_count; k++)
			if (model->vips[i].listeners[k].protocol == LISTENER_HTTPS)
				return true;
	return false;
}

static bool has_secure_upstream(const struct model *model)
{
	for (uint32_t i = 0; i < model->upstream_count; i++)
		if (model->upstreams[i].tls.used)
			return true;
	return false;
}

static uint64_t connection_bytes(const struct model *model)
{
	return CONNECTION_BYTES + (has_secure_listener(model) ? SECURE_BYTES : 0) +
	       (has_secure_upstream(model) ? SECURE_ENDPOINT_BYTES : 0);
}

static uint64_t reserve_of(uint64_t sessions)
{
	uint64_t reserve = sessions / 16;

	return reserve < SHED_LEAST ? SHED_LEAST : reserve > SHED_MOST ? SHED_MOST : reserve;
}

/* By descriptors: two a session, one for each that is shed. */
static uint64_t sessions_by_files(const struct node *node, const struct ceilings_have *have,
				  struct ceilings *out)
{
	uint64_t reserve = reserve_of(have->files / 2);
	uint64_t most = privileges_sessions_max(have->files, have->files_other + reserve);
	uint64_t need =
		have->files_other + 2ull * node->connections + reserve_of(node->connections);

	if (node->connections > most)
		err_set(sentence(out),
			"node.connections is %u, which takes %" PRIu64
			" descriptors, and this process may open %" PRIu64
			": raise LimitNOFILE of the unit (or ulimit -Hn) to %" PRIu64
			", or lower node.connections; until then there are at most %" PRIu64
			" connections",
			node->connections, need, have->files, need, most);
	return node->connections && node->connections < most ? node->connections : most;
}

static uint64_t memory_of(const struct node *node, const struct ceilings_have *have,
			  struct ceilings *out)
{
	if (node->memory_bytes > have->memory_bytes)
		err_set(sentence(out),
			"node.memory is %" PRIu64
			" MB, and the machine or control group has %" PRIu64
			" MB: raise MemoryMax of the unit, or lower node.memory; until then "
			"the kernel may end shuntd before its own ceiling is met",
			node->memory_bytes / MEGA, have->memory_bytes / MEGA);
	return node->memory_bytes ? node->memory_bytes : have->memory_bytes / 2;
}

/* Half of the memory may be connections at rest, the other half is for their bytes. */
static uint64_t sessions_by_memory(const struct model *model, uint64_t memory, uint64_t sessions,
				   struct ceilings *out)
{
	uint64_t each = connection_bytes(model), most = memory / 2 / each * 15 / 16;

	if (sessions <= most)
		return sessions;
	if (model->node.connections)
		err_set(sentence(out),
			"node.connections is %u, which takes %" PRIu64
			" MB of memory at rest and as much for bytes on their way, and there are "
			"%" PRIu64 " MB: raise node.memory, or lower node.connections; until then "
			"there are at most %" PRIu64 " connections",
			model->node.connections, (model->node.connections * each + MEGA - 1) / MEGA,
			memory / MEGA, most);
	return most;
}

void ceilings_compute(const struct model *model, const struct ceilings_have *have,
		      struct ceilings *out)
{
	uint64_t memory, sessions, blocks, all;

	*out = (struct ceilings){ .each.handshakes = model->node.handshakes };
	sessions = sessions_by_files(&model->node, have, out);
	memory = memory_of(&model->node, have, out);
	sessions = sessions_by_memory(model, memory, sessions, out);
	all = sessions + reserve_of(sessions);
	blocks = (memory - all * connection_bytes(model)) / BLOCK_BYTES / have->workers;
	if (blocks > all * BLOCKS_PER_SESSION)
		blocks = all * BLOCKS_PER_SESSION;
	if (blocks < BLOCKS_LEAST)
		blocks = BLOCKS_LEAST;
	out->each.sessions = (uint32_t)sessions;
	out->each.sessions_hard = (uint32_t)all;
	out->each.blocks = (uint32_t)blocks;
	out->memory_bytes =
		all * connection_bytes(model) + blocks * have->workers * (uint64_t)BLOCK_BYTES;
}

void ceilings_foresee(const struct model *model, struct ceilings *out)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct ceilings_have have = { .files = 1024, .memory_bytes = ceilings_memory() };
	struct rlimit files;
	uint32_t sockets = 0;

	have.workers = model->node.workers ? model->node.workers : cpus > 1 ? (uint32_t)cpus : 1;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0)
		have.files = files.rlim_max;
	for (uint32_t i = 0; i < model->vip_count; i++)
		for (uint32_t k = 0; k < model->vips[i].listener_count; k++)
			if (listen_protocol_is_proxied(model->vips[i].listeners[k].protocol))
				sockets += model->vips[i].address_count * have.workers;
	have.files_other = ceilings_files_other(model, have.workers, sockets);
	ceilings_compute(model, &have, out);
}

void ceilings_say(const struct ceilings *c)
{
	for (uint32_t i = 0; i < c->sentence_count; i++)
		log_line(LOG_WARNING, "%s", c->sentences[i].text);
	log_line(LOG_NOTICE,
		 "up to %u connections of clients at once, %u TLS handshakes a worker, %llu MB of "
		 "memory",
		 c->each.sessions, c->each.handshakes, (unsigned long long)(c->memory_bytes >> 20));
}
