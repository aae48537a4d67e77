#include "userspace/dataplane/quic_sync.h"

#include <bpf/bpf.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/abi/sizes.h"
#include "userspace/base/must.h"
#include "userspace/model/model.h"

/* What is new stands beside what was, until the snapshot is in use. */
_Static_assert(2 * (int)QUIC_IDS_LIMIT <= (int)QUIC_IDS_MAX &&
		       (int)SERVER_ID_MAX == (int)QUIC_SERVER_ID_MAX,
	       "model_check promises that everything fits");

struct quic_sync {
	int map;
	uint32_t count;
	struct quic_key named[QUIC_IDS_LIMIT]; /* by the snapshot; in order once it is in use */
};

struct quic_sync *quic_sync_create(const struct pinned *maps)
{
	struct quic_sync *sync = must_alloc(sizeof(*sync));

	sync->map = maps->fds[PINNED_QUIC];
	return sync;
}

void quic_sync_destroy(struct quic_sync *sync)
{
	free(sync);
}

void quic_sync_begin(struct quic_sync *sync)
{
	sync->count = 0;
}

bool quic_sync_add(struct quic_sync *sync, uint32_t listener, const uint8_t *id, uint32_t bytes,
		   uint32_t endpoint, struct err *err)
{
	struct quic_key key = { .listener = listener };

	MUST(bytes <= SERVER_ID_MAX && sync->count < QUIC_IDS_LIMIT);
	memcpy(key.id, id, bytes);
	if (bpf_map_update_elem(sync->map, &key, &endpoint, BPF_ANY) < 0)
		return err_sys(err, "cannot tell the kernel the server id of an endpoint");
	sync->named[sync->count++] = key;
	return true;
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct quic_key));
}

void quic_sync_end(struct quic_sync *sync)
{
	struct quic_key key, next;
	bool more = bpf_map_get_next_key(sync->map, NULL, &next) == 0;

	qsort(sync->named, sync->count, sizeof(sync->named[0]), compare);
	while (more) {
		key = next;
		more = bpf_map_get_next_key(sync->map, &key, &next) == 0;
		if (!bsearch(&key, sync->named, sync->count, sizeof(sync->named[0]), compare))
			bpf_map_delete_elem(sync->map, &key);
	}
}
