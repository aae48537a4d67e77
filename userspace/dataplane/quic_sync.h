/*
 * quic_sync.h - which server id leads to which endpoint, into shunt_quic (dataplane/ only).
 *
 * Knows what the snapshot that is being applied has named. Knows nothing of connection ids. Control
 * thread.
 */
#pragma once
#include "bpf/abi/quic.h"
#include "userspace/base/err.h"
#include "userspace/dataplane/pinned.h"

struct quic_sync;

struct quic_sync *quic_sync_create(const struct pinned *maps);
void quic_sync_destroy(struct quic_sync *sync);
/* A new snapshot begins to name its server ids. */
void quic_sync_begin(struct quic_sync *sync);
/* In effect at once: only who has the id already has any use for it. Each id of a listener once. */
bool quic_sync_add(struct quic_sync *sync, uint32_t listener, const uint8_t *id, uint32_t bytes,
		   uint32_t endpoint, struct err *err);
/* The snapshot is in use: what it did not name is forgotten. */
void quic_sync_end(struct quic_sync *sync);
