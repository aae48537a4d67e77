/*
 * admission.h - who is let in, who is told that there is no room, and who gets the last blocks
 * (proxy/ only).
 *
 * New work is shed before old work suffers. Connections wait in the kernel's queue where not even a
 * 503 can be had; those above the ceilings get one, and running exchanges keep what they need.
 */
#pragma once
#include "userspace/proxy/session.h"

/* More than there should be: it is to be told so, or turned away. */
bool admission_is_over(const struct proxy *proxy, const struct listener *listener);
/* Closed at once: whoever waits for TLS or a tunnel cannot be told anything that is cheap. */
bool admission_turns_away(const struct proxy *proxy, const struct listener *listener, bool over);
/* At the head of a request: whether it has been answered 503, as there is no room for it. */
bool admission_refuses(struct session *s);
/* Whether a block may be taken to read from that side. */
bool admission_may_read(const struct session *s, enum side from);
/* Bytes may wait that no watch will tell of, as there is no block for them. */
bool admission_waits_for_block(const struct session *s);
