#include "userspace/dataplane/tallies.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "userspace/base/clock.h"
#include "userspace/base/must.h"

enum { CPUS_MAX = 1024, WORDS_MAX = sizeof(struct vip_tally) / sizeof(uint64_t) };

/* Sums words of 64 bits over all CPUs; zero where the map cannot be read. */
static void sum(int fd, uint32_t key, uint64_t *out, uint32_t words)
{
	uint64_t per_cpu[CPUS_MAX * WORDS_MAX];
	int cpus = libbpf_num_possible_cpus();

	memset(out, 0, words * sizeof(*out));
	if (cpus < 1 || cpus > CPUS_MAX || bpf_map_lookup_elem(fd, &key, per_cpu) < 0)
		return;
	for (uint32_t i = 0; i < (uint32_t)cpus * words; i++)
		out[i % words] += per_cpu[i];
}

static void reset(int fd, uint32_t key)
{
	static const uint64_t zeros[CPUS_MAX * WORDS_MAX];

	bpf_map_update_elem(fd, &key, zeros, BPF_ANY);
}

static struct tally tally_sum(int fd, uint32_t key)
{
	uint64_t words[2];

	sum(fd, key, words, 2);
	return (struct tally){ .packets = words[0], .bytes = words[1] };
}

static struct vip_tally vip_sum(int fd, uint32_t key)
{
	uint64_t words[4];

	sum(fd, key, words, 4);
	return (struct vip_tally){ .kept = { words[0], words[1] },
				   .dropped = { words[2], words[3] } };
}

void tallies_reasons(const struct pinned *maps, struct tally out_reasons[COUNTERS])
{
	for (uint32_t which = 0; which < COUNTERS; which++)
		out_reasons[which] = tally_sum(maps->fds[PINNED_COUNTERS], which);
}

static void read_vips(const struct pinned *maps, struct vip_sync *sync,
		      const struct snapshot *snapshot, struct traffic *t)
{
	uint32_t max = 0;

	for (uint32_t i = 0; i < snapshot->model->listener_count; i++)
		max += snapshot->listeners[i]->vip->address_count;
	t->vips = must_alloc(max * sizeof(*t->vips) + 1);
	for (uint32_t i = 0; i < snapshot->model->listener_count; i++) {
		const struct listener *l = snapshot->listeners[i];

		for (uint32_t k = 0; k < l->vip->address_count; k++) {
			struct traffic_vip *to = &t->vips[t->vip_count];

			to->listener = l;
			to->address = &l->vip->addresses[k];
			to->tally = vip_sync_tally(sync, l, to->address);
			if (to->tally == SAMPLE_NONE)
				continue;
			to->count = vip_sum(maps->fds[PINNED_VIP_TALLIES], to->tally);
			t->vip_count++;
		}
	}
}

static void read_endpoints(const struct pinned *maps, struct vip_sync *sync,
			   const struct snapshot *snapshot, struct traffic *t)
{
	t->endpoints = must_alloc(snapshot->model->endpoint_count * sizeof(*t->endpoints) + 1);
	for (uint32_t i = 0; i < snapshot->model->endpoint_count; i++) {
		struct traffic_endpoint *to = &t->endpoints[t->endpoint_count];

		to->endpoint = snapshot->endpoints[i];
		to->id = vip_sync_endpoint(sync, to->endpoint);
		if (to->id == SAMPLE_NONE)
			continue;
		to->count = tally_sum(maps->fds[PINNED_ENDPOINT_TALLIES], to->id);
		t->endpoint_count++;
	}
}

void tallies_read(const struct pinned *maps, struct vip_sync *sync, const struct snapshot *snapshot,
		  struct traffic *out_traffic)
{
	memset(out_traffic, 0, sizeof(*out_traffic));
	out_traffic->at_ns = clock_ns(CLOCK_MONOTONIC);
	tallies_reasons(maps, out_traffic->reasons);
	read_vips(maps, sync, snapshot, out_traffic);
	read_endpoints(maps, sync, snapshot, out_traffic);
}

void traffic_fini(struct traffic *traffic)
{
	free(traffic->vips);
	free(traffic->endpoints);
}

void tallies_reset_vip(const struct pinned *maps, uint32_t vip)
{
	reset(maps->fds[PINNED_VIP_TALLIES], vip);
}

void tallies_reset_endpoint(const struct pinned *maps, uint32_t id)
{
	reset(maps->fds[PINNED_ENDPOINT_TALLIES], id);
}
