/*
 * session_store.h - a worker's sessions in use, and spare ones for the next (proxy/ only).
 *
 * A client's request finds its session here and costs no allocation. A spare one's timer may go on
 * running, so that short exchanges need not stop and start it; it is ignored when it is due.
 */
#pragma once
#include <stdbool.h>

struct proxy;
struct session;

/* Zeroed but for its timers, and in proxy->sessions; NULL without memory. */
struct session *session_store_take(struct proxy *proxy);
void session_store_give(struct session *s);
bool session_store_is_spare(const struct session *s);
/* Frees the spare ones; none may be in use. */
void session_store_fini(struct proxy *proxy);
