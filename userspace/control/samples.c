#include "userspace/control/samples.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "bpf/abi/pins.h"
#include "userspace/base/clock.h"
#include "userspace/base/must.h"

struct samples {
	int lock; /* the pin directory, locked for this watcher */
	int order_fd, ring_fd;
	struct watch_order *order; /* mapped: the programs read it */
	struct ring_buffer *ring;
	uint32_t epoch;
	bool over;
	bool (*on_sample)(void *context, const struct sample *sample);
	void *context;
};

void samples_bit(uint64_t *set, uint32_t which)
{
	set[which / 64] |= 1ull << (which % 64);
}

static bool is_any(const uint64_t *set, size_t words)
{
	for (size_t i = 0; i < words; i++)
		if (set[i])
			return true;
	return false;
}

static int open_pinned(const char *pin_dir, const char *name, uint32_t value_size, struct err *err)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", pin_dir, name);
	fd = bpf_obj_get(path);
	if (fd < 0) {
		err_sys(err, "cannot open %s (is the fast path attached? try as root)", path);
		return -1;
	}
	if (bpf_obj_get_info_by_fd(fd, &info, &len) == 0 && info.value_size == value_size)
		return fd;
	err_set(err, "%s was made by another version of shunt", path);
	close(fd);
	return -1;
}

static bool take_lock(struct samples *s, const char *pin_dir, struct err *err)
{
	s->lock = open(pin_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->lock < 0 && errno == ENOENT)
		return err_set(err,
			       "nothing is pinned at %s: the fast path is not attached, or has "
			       "another --pin-dir",
			       pin_dir);
	if (s->lock < 0)
		return err_sys(err, "cannot open %s", pin_dir);
	if (flock(s->lock, LOCK_EX | LOCK_NB) == 0)
		return true;
	return errno == EWOULDBLOCK ? err_set(err, "somebody watches already; one can at a time")
				    : err_sys(err, "cannot lock %s", pin_dir);
}

static void renew(struct samples *s)
{
	uint64_t until = clock_ns(CLOCK_MONOTONIC) + (uint64_t)WATCH_LEASE_MS * 1000000;

	__atomic_store_n(&s->order->until_ns, until, __ATOMIC_RELEASE);
}

/* until_ns comes last: then all the rest holds. */
static void give_order(struct samples *s, const struct samples_want *want)
{
	struct watch_order *o = s->order;

	__atomic_store_n(&o->until_ns, 0, __ATOMIC_SEQ_CST);
	s->epoch = ++o->epoch;
	o->flags = (is_any(want->vips, ARRAY_LEN(want->vips)) ? WATCH_VIPS : 0) |
		   (is_any(want->endpoints, ARRAY_LEN(want->endpoints)) ? WATCH_ENDPOINTS : 0) |
		   (is_any(want->reasons, ARRAY_LEN(want->reasons)) ? WATCH_REASONS : 0);
	o->chance = UINT32_MAX / (want->one_of ? want->one_of : 1);
	o->lost = 0;
	o->matched = 0;
	memcpy(o->reasons, want->reasons, sizeof(o->reasons));
	memcpy(o->vips, want->vips, sizeof(o->vips));
	memcpy(o->endpoints, want->endpoints, sizeof(o->endpoints));
	renew(s);
}

static int on_record(void *context, void *record, size_t len)
{
	struct samples *s = context;
	const struct sample *sample = record;

	/* Those that an earlier watcher left behind are not ours. */
	if (len != sizeof(*sample) || sample->epoch != s->epoch || s->over)
		return 0;
	s->over = !s->on_sample(s->context, sample);
	return s->over ? -ECANCELED : 0;
}

static bool open_maps(struct samples *s, const char *pin_dir, struct err *err)
{
	void *at;

	s->order_fd = open_pinned(pin_dir, PIN_WATCH, sizeof(struct watch_order), err);
	if (s->order_fd < 0)
		return false;
	s->ring_fd = open_pinned(pin_dir, PIN_SAMPLES, 0, err);
	if (s->ring_fd < 0)
		return false;
	at = mmap(NULL, sizeof(*s->order), PROT_READ | PROT_WRITE, MAP_SHARED, s->order_fd, 0);
	if (at == MAP_FAILED)
		return err_sys(err, "cannot map %s into memory", PIN_WATCH);
	s->order = at;
	s->ring = ring_buffer__new(s->ring_fd, on_record, s, NULL);
	return s->ring || err_sys(err, "cannot read the ring buffer %s", PIN_SAMPLES);
}

struct samples *samples_open(const char *pin_dir, const struct samples_want *want, struct err *err)
{
	struct samples *s = must_alloc(sizeof(*s));

	s->lock = s->order_fd = s->ring_fd = -1;
	if (take_lock(s, pin_dir, err) && open_maps(s, pin_dir, err)) {
		give_order(s, want);
		return s;
	}
	samples_close(s);
	return NULL;
}

bool samples_wait(struct samples *s, int timeout_ms,
		  bool (*on_sample)(void *context, const struct sample *sample), void *context)
{
	int got;

	s->on_sample = on_sample;
	s->context = context;
	renew(s);
	got = ring_buffer__poll(s->ring, timeout_ms);
	return !s->over && (got >= 0 || got == -EINTR);
}

uint64_t samples_lost(const struct samples *s)
{
	return __atomic_load_n(&s->order->lost, __ATOMIC_RELAXED);
}

void samples_close(struct samples *s)
{
	if (!s)
		return;
	if (s->ring) /* the order was given */
		__atomic_store_n(&s->order->until_ns, 0, __ATOMIC_SEQ_CST);
	ring_buffer__free(s->ring);
	if (s->order)
		munmap(s->order, sizeof(*s->order));
	if (s->ring_fd >= 0)
		close(s->ring_fd);
	if (s->order_fd >= 0)
		close(s->order_fd);
	if (s->lock >= 0)
		close(s->lock);
	free(s);
}
