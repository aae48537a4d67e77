#include "userspace/base/line_ring.h"

#include "userspace/base/must.h"

/* Head never reaches tail from behind: they are equal only where the ring is empty. */
char *line_ring_begin(struct line_ring *ring)
{
	uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);

	if (head >= tail && LINE_RING_BYTES - head >= LINE_BYTES_MAX)
		ring->begun = head;
	else if (head >= tail && tail > LINE_BYTES_MAX)
		ring->begun = 0;
	else if (head < tail && tail - head > LINE_BYTES_MAX)
		ring->begun = head;
	else {
		atomic_store_explicit(&ring->lost,
				      atomic_load_explicit(&ring->lost, memory_order_relaxed) + 1,
				      memory_order_relaxed);
		return NULL;
	}
	return ring->bytes + ring->begun;
}

void line_ring_end(struct line_ring *ring, uint32_t len)
{
	uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);

	MUST(len <= LINE_BYTES_MAX);
	if (ring->begun != head)
		ring->wrap = head;
	atomic_store_explicit(&ring->head, ring->begun + len, memory_order_release);
}

bool line_ring_is_half_full(struct line_ring *ring)
{
	uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

	return (head >= tail ? head - tail : LINE_RING_BYTES - tail + head) > LINE_RING_BYTES / 2;
}

struct span line_ring_peek(struct line_ring *ring)
{
	uint32_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

	if (head < tail && tail == ring->wrap) {
		tail = 0;
		atomic_store_explicit(&ring->tail, 0, memory_order_release);
	}
	return span_make(ring->bytes + tail, (head < tail ? ring->wrap : head) - tail);
}

void line_ring_drop(struct line_ring *ring, uint32_t len)
{
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

	atomic_store_explicit(&ring->tail, tail + len, memory_order_release);
}
