/*
 * model_guard.h - who may send a vip or a node how much, as meant (a part of model.h).
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "userspace/base/network.h"

enum guard_mode { GUARD_MODE_ENFORCE, GUARD_MODE_OBSERVE, GUARD_MODE_OFF };

enum guard_cookies { GUARD_COOKIES_OFF, GUARD_COOKIES_AUTO, GUARD_COOKIES_ALWAYS };

struct guard_limit {
	uint32_t per_second; /* 0: any */
	uint32_t burst;      /* at once, after a rest */
};

/* Who may send how much. A source is an IPv4 address, or an IPv6 network of 64 bits. */
struct guard {
	enum guard_mode mode;
	struct network_list allow, deny; /* the longest prefix decides; allow alone: only these */
	struct guard_limit packets, flows;
	enum guard_cookies cookies; /* listeners of the proxy */
	uint32_t cookies_above;     /* SYNs a second to a listener, with GUARD_COOKIES_AUTO */
	bool given;
};
