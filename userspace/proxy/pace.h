/*
 * pace.h - whether a peer that is waited for moves bytes fast enough to be worth the wait.
 *
 * Looked at when a session's timer fires and at no other time: bytes in a window against what the
 * listener's rates ask for. A peer that moves just enough never to be idle is found by this. What a
 * client has taken is asked of its socket, as a kernel's buffers hide it for minutes.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct session;

enum pace_of {
	PACE_NONE,     /* nobody is waited for, or no pace is asked of it */
	PACE_HEAD,     /* the client sends a request's head */
	PACE_BODY,     /* the client sends a request's body */
	PACE_READER,   /* the client takes what we have for it */
	PACE_TAKER,    /* the endpoint takes what we have for it */
	PACE_ENDPOINT, /* the endpoint sends a response's body */
};

struct pace {
	uint64_t since_ms; /* when the window began */
	uint64_t bytes;    /* that had moved by then */
	uint8_t of;        /* enum pace_of */
};

/* Whether the session is one to be looked at in the middle of its deadline. */
bool pace_is_kept(const struct session *s);
/* At a firing of the timer. True where it ended something, or gave the session more time. */
bool pace_look(struct session *s, uint64_t now_ms);
