/*
 * accept_watch.h - listeners of the proxy whose accept queue fills, for `syn_cookies: auto`.
 *
 * Looks at listening sockets several times a second, and tells the fast path whose SYNs it shall
 * answer: at once where a queue is half full, and until it has been nearly empty for some time.
 * There is no queue of SYNs to look at: with net.ipv4.tcp_syncookies=2 the kernel keeps none.
 * Knows nothing of the rate of SYNs, which XDP measures by itself. Control thread only.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "userspace/control/fast_path.h"
#include "userspace/control/listen_table.h"
#include "userspace/control/status.h"
#include "userspace/net/loop.h"
#include "userspace/snapshot/snapshot.h"

enum { ACCEPT_CALM_MS = 10000 };

struct accept_watch;

/* Both are borrowed. */
struct accept_watch *accept_watch_create(struct loop *loop, struct fast_path *fast_path);
void accept_watch_destroy(struct accept_watch *watch); /* accepts NULL */
/* From now on; what is known of listeners that stay is kept. */
void accept_watch_follow(struct accept_watch *watch, const struct listen_table *table,
			 const struct snapshot *snapshot);
/* The sockets are about to be somebody else's, or closed. Accepts NULL. */
void accept_watch_stop(struct accept_watch *watch);
void accept_watch_status(const struct accept_watch *watch, struct status *status);

/* Of one listener. */
struct accept_state {
	bool pressed;
	uint64_t last_ms; /* when its queue was not nearly empty */
};
/* room: as many connections as may wait, in the fullest queue, where `waiting` do. Returns whether
 * `pressed` has changed. Pure. */
bool accept_state_update(struct accept_state *state, uint32_t waiting, uint32_t room,
			 uint64_t now_ms);
