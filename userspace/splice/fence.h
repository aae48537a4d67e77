/*
 * fence.h - tells when every packet that was in a processor's hands has left them.
 *
 * A packet that XDP passed up reaches its socket within one stretch of softirq work. A grace period
 * of RCU waits for all such stretches, however long a processor was away; a fixed time does not.
 * Any thread.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct fence;

struct fence *fence_create(void); /* aborts without memory or threads; at start only */
void fence_destroy(struct fence *fence);

/* Begins to wait for all that is under way now; the ticket for fence_is_past. */
uint64_t fence_request(struct fence *fence);
bool fence_is_past(struct fence *fence, uint64_t ticket);
