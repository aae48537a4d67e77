#include "loader/objects.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf/abi/pins.h"
#include "bpf/abi/vip.h"
#include "loader/pinning.h"
#include "loader/sizing.h"
#include "sk_query.skel.h"
#include "sk_steer.skel.h"
#include "tc_egress.skel.h"
#include "tc_ingress.skel.h"
#include "userspace/base/must.h"
#include "xdp_ingress.skel.h"

enum { LOG_BYTES = 1 << 16 };

struct objects {
	struct xdp_ingress *xdp;
	struct tc_egress *tc;
	struct sk_steer *steer;
	struct sk_query *query;
	struct tc_ingress *tc_ingress; /* NULL: not wanted */
	struct bpf_object *all[OBJECTS];
};

static const char *const object_names[OBJECTS] = { "xdp_ingress", "tc_egress", "sk_steer",
						   "sk_query", "tc_ingress" };

static char last_words[256]; /* of libbpf; the loader is one thread */

__attribute__((format(printf, 2, 0))) static int keep_words(enum libbpf_print_level level,
							    const char *fmt, va_list args)
{
	char line[256];
	size_t len;

	if (level != LIBBPF_WARN)
		return 0;
	vsnprintf(line, sizeof(line), fmt, args);
	len = strcspn(line, "\n");
	line[len] = 0;
	if (strstr(line, "-- BEGIN") || strstr(line, "failed to load object"))
		return 0;
	memcpy(last_words, line, sizeof(last_words));
	return 0;
}

static bool is_ours(const struct bpf_map *map)
{
	return strncmp(bpf_map__name(map), "shunt_", 6) == 0;
}

/* Our maps have a name of their own each; libbpf takes what is pinned there, or makes and pins it.
 */
static bool pin_maps(struct bpf_object *object, const char *pin_dir, struct err *err)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, object)
	{
		char path[PIN_PATH_MAX];

		if (!is_ours(map))
			continue;
		if (!pinning_path(pin_dir, bpf_map__name(map), path) ||
		    bpf_map__set_pin_path(map, path))
			return err_set(err, "cannot pin map %s below %s", bpf_map__name(map),
				       pin_dir);
	}
	return true;
}

static bool load_one(struct objects *o, enum object which, const char *pin_dir, struct err *err)
{
	int rc;

	if (!pin_maps(o->all[which], pin_dir, err))
		return false;
	last_words[0] = 0;
	rc = bpf_object__load(o->all[which]);
	if (rc == 0)
		return true;
	errno = -rc;
	if (rc == -EPERM)
		return err_sys(err,
			       "cannot load the BPF program %s: it needs root, or CAP_BPF and "
			       "CAP_NET_ADMIN",
			       object_names[which]);
	return err_sys(err, "the kernel refuses the BPF program %s (%s)", object_names[which],
		       last_words[0] ? last_words : "no reason given");
}

static const char what_to_do[] =
	"what is attached goes on as it is; to change over, run `shunt-loader detach` of the old "
	"version first (connections in the kernel end)";

/* A pinned map, whatever its shape; -1: there is none. */
static int open_pinned(const char *pin_dir, const char *name, struct bpf_map_info *out_info)
{
	__u32 len = sizeof(*out_info);
	char path[PIN_PATH_MAX];
	int fd;

	memset(out_info, 0, sizeof(*out_info));
	fd = pinning_path(pin_dir, name, path) ? bpf_obj_get(path) : -1;
	if (fd >= 0 && bpf_obj_get_info_by_fd(fd, out_info, &len) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Before anything is loaded or pinned beside what is there. It may be longer or shorter than ours.
 */
static bool check_abi(const char *pin_dir, struct err *err)
{
	struct bpf_map_info info;
	int fd = open_pinned(pin_dir, PIN_SETTINGS, &info);
	uint32_t zero = 0, version = 0;
	uint8_t *value;

	if (fd < 0)
		return true;
	value = must_alloc(info.value_size + sizeof(struct settings));
	if (bpf_map_lookup_elem(fd, &zero, value) == 0)
		memcpy(&version, value + offsetof(struct settings, abi_version), sizeof(version));
	free(value);
	close(fd);
	return version == 0 || version == ABI_VERSION ||
	       err_set(err, "the pinned maps have ABI version %u, this program %u; %s", version,
		       ABI_VERSION, what_to_do);
}

static bool check_shape(const struct bpf_map *map, const char *pin_dir, struct err *err)
{
	struct bpf_map_info there;
	int fd = open_pinned(pin_dir, bpf_map__name(map), &there);

	if (fd < 0)
		return true;
	close(fd);
	if (there.type == bpf_map__type(map) && there.key_size == bpf_map__key_size(map) &&
	    there.value_size == bpf_map__value_size(map) &&
	    there.max_entries == bpf_map__max_entries(map) &&
	    there.map_flags == bpf_map__map_flags(map))
		return true;
	return err_set(err,
		       "the pinned map %s has %u entries of %u bytes, this program needs %u of %u, "
		       "or of another kind; %s",
		       bpf_map__name(map), there.max_entries, there.value_size,
		       bpf_map__max_entries(map), bpf_map__value_size(map), what_to_do);
}

static bool check_shapes(const struct objects *o, const char *pin_dir, struct err *err)
{
	struct bpf_map *map;

	for (int i = 0; i < OBJECTS; i++) {
		if (!o->all[i])
			continue;
		bpf_object__for_each_map(map, o->all[i])
		{
			if (is_ours(map) && !check_shape(map, pin_dir, err))
				return false;
		}
	}
	return true;
}

/* Fresh maps get our version. */
static bool stamp_abi(const struct objects *o, struct err *err)
{
	int fd = bpf_map__fd(o->xdp->maps.shunt_settings);
	struct settings s;
	__u32 zero = 0;

	if (bpf_map_lookup_elem(fd, &zero, &s) < 0)
		return err_sys(err, "cannot read the map shunt_settings");
	if (s.abi_version)
		return true;
	s.abi_version = ABI_VERSION;
	return bpf_map_update_elem(fd, &zero, &s, BPF_ANY) == 0 ||
	       err_sys(err, "cannot write the map shunt_settings");
}

static bool open_all(struct objects *o, bool tc_ingress)
{
	o->xdp = xdp_ingress__open();
	o->tc = tc_egress__open();
	o->steer = sk_steer__open();
	o->query = sk_query__open();
	if (!o->xdp || !o->tc || !o->steer || !o->query)
		return false;
	if (tc_ingress) {
		o->tc_ingress = tc_ingress__open();
		if (!o->tc_ingress)
			return false;
		o->all[OBJECT_TC_INGRESS] = o->tc_ingress->obj;
	}
	o->all[OBJECT_XDP] = o->xdp->obj;
	o->all[OBJECT_TC] = o->tc->obj;
	o->all[OBJECT_STEER] = o->steer->obj;
	o->all[OBJECT_QUERY] = o->query->obj;
	return true;
}

/* Where tables end is verified as a constant. */
static bool size_maps(struct objects *o, const char *pin_dir, const struct map_sizes *wanted,
		      struct err *err)
{
	struct map_sizes sizes = *wanted;
	struct table_sizes tables;

	sizing_keep_pinned(pin_dir, &sizes);
	tables = sizing_tables(&sizes);
	memcpy((void *)&o->xdp->rodata->tables, &tables, sizeof(tables));
	memcpy((void *)&o->tc->rodata->tables, &tables, sizeof(tables));
	memcpy((void *)&o->steer->rodata->tables, &tables, sizeof(tables));
	if (o->tc_ingress)
		memcpy((void *)&o->tc_ingress->rodata->tables, &tables, sizeof(tables));
	for (int i = 0; i < OBJECTS; i++)
		if (o->all[i] && !sizing_set(o->all[i], &sizes, err))
			return false;
	return true;
}

struct objects *objects_load(const char *pin_dir, bool tc_ingress, const struct map_sizes *wanted,
			     struct err *err)
{
	struct objects *o = must_alloc(sizeof(*o));

	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	libbpf_set_print(keep_words);
	if (!open_all(o, tc_ingress)) {
		err_sys(err, "cannot open the embedded BPF objects");
		goto close_objects;
	}
	if (!check_abi(pin_dir, err) || !size_maps(o, pin_dir, wanted, err) ||
	    !check_shapes(o, pin_dir, err))
		goto close_objects;
	for (int i = 0; i < OBJECTS; i++)
		if (o->all[i] && !load_one(o, i, pin_dir, err))
			goto close_objects;
	if (!stamp_abi(o, err))
		goto close_objects;
	return o;

close_objects:
	objects_close(o);
	return NULL;
}

void objects_close(struct objects *o)
{
	if (!o)
		return;
	xdp_ingress__destroy(o->xdp);
	tc_egress__destroy(o->tc);
	sk_steer__destroy(o->steer);
	sk_query__destroy(o->query);
	tc_ingress__destroy(o->tc_ingress);
	free(o);
}

int objects_program(const struct objects *o, enum object which)
{
	switch (which) {
	case OBJECT_XDP:
		return bpf_program__fd(o->xdp->progs.xdp_ingress);
	case OBJECT_TC:
		return bpf_program__fd(o->tc->progs.tc_egress);
	case OBJECT_STEER:
		return bpf_program__fd(o->steer->progs.sk_steer);
	case OBJECT_TC_INGRESS:
		return bpf_program__fd(o->tc_ingress->progs.tc_ingress);
	default:
		return bpf_program__fd(o->query->progs.sk_query);
	}
}

static void unpin_one(void *context, const char *name)
{
	pinning_remove(context, name);
}

void objects_unpin_maps(const char *pin_dir)
{
	pinning_each(pin_dir, "shunt_", unpin_one, (void *)pin_dir);
}
