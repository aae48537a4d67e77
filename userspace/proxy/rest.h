/*
 * rest.h - clients' connections between requests: what is left of a session while it has nothing
 * to do (proxy/ only).
 *
 * An idle client costs a struct conn and a struct rest. Its session goes back to the store, and the
 * next bytes take another one. All that rest follow the proxy's present snapshot. One timer serves
 * all of them: those of a listener have the same time, so they end in the order in which they came.
 */
#pragma once
#include <stdbool.h>

struct proxy;
struct rest;
struct session;
struct snapshot;

void rest_init(struct proxy *proxy); /* proxy->snapshot is there */
void rest_fini(struct proxy *proxy); /* none may rest any more */

/* One for each client for as long as it is connected, so that resting cannot fail; NULL without
 * memory. rest_end frees it. */
struct rest *rest_create(void);

/* Between requests with nothing read, nothing to write, and no time out of it. */
bool rest_may(const struct session *s);
void rest_begin(struct session *s); /* s is gone */
/* The session's last step: its client goes, and what was held for it. */
void rest_end(struct session *s);

/* proxy->snapshot has taken before's place: those whose listener is gone are closed. */
void rest_renew(struct proxy *proxy, const struct snapshot *before);
void rest_cut(struct proxy *proxy); /* closes all of them */
