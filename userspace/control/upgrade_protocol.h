/*
 * upgrade_protocol.h - what two shuntd say to each other while one takes the other's place.
 *
 * Over a SOCK_SEQPACKET pair whose end the new process finds by number in UPGRADE_ENV. One message
 * is one struct, with descriptors beside it:
 *
 *	old:  HELLO  LISTENER...  [ADMIN]  [MAPS]  ALL
 *	new:  READY (everything is open)
 *	old:  YOURS (accepts no more, splices no more), and closes when it has ended
 *
 * Either side may be of another version: what does not fit is refused, and the old one goes on.
 * Knows bytes and descriptors; knows nothing of what they are for.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "bpf/abi/sizes.h"
#include "userspace/base/addr.h"
#include "userspace/base/err.h"

#define UPGRADE_ENV "SHUNT_UPGRADE"

enum { UPGRADE_VERSION = 1, UPGRADE_MAGIC = 0x746e7573, UPGRADE_FDS_MAX = WORKERS_MAX };

enum upgrade_kind {
	UPGRADE_HELLO = 1, /* count: workers */
	UPGRADE_LISTENER,  /* address; its sockets */
	UPGRADE_ADMIN,     /* the admin API's listening socket */
	UPGRADE_MAPS,      /* the pinned maps, in any order: they have names */
	UPGRADE_ALL,       /* count: messages of LISTENER before */
	UPGRADE_READY,     /* taken: of the i-th LISTENER, bit i % 8 of byte i / 8 */
	UPGRADE_YOURS,
	UPGRADE_KINDS
};

struct upgrade_message {
	uint32_t magic;
	uint16_t version;
	uint16_t kind; /* enum upgrade_kind */
	uint32_t count;
	struct addr address;
	uint8_t taken[STEERED_MAX / 8];
};
_Static_assert(sizeof(struct upgrade_message) == 160, "changed: bump UPGRADE_VERSION");
_Static_assert((int)UPGRADE_FDS_MAX <= 253, "SCM_MAX_FD of the kernel");

enum upgrade_sent { UPGRADE_SENT, UPGRADE_FULL, UPGRADE_BROKEN };

/* Fills in magic and version. fds stay the caller's. FULL: not now (the socket is non-blocking). */
enum upgrade_sent upgrade_message_send(int socket, const struct upgrade_message *message,
				       const int *fds, uint32_t fd_count);

enum upgrade_got { UPGRADE_GOT, UPGRADE_NOTHING, UPGRADE_END, UPGRADE_WRONG };

/*
 * One message; the caller gets the descriptors, which are closed over exec. NOTHING: none is there
 * yet. END: the other side has closed. WRONG: *err says what was found; no descriptor is left open.
 */
enum upgrade_got upgrade_message_receive(int socket, struct upgrade_message *out_message,
					 int out_fds[UPGRADE_FDS_MAX], uint32_t *out_fd_count,
					 struct err *err);
