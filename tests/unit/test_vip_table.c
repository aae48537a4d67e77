/* Addresses and ports that packets may be for: all of them are found, and none while half written.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "bpf/abi/hash.h"
#include "bpf/abi/sizes.h"
#include "tests/harness/test.h"
#include "userspace/dataplane/vip_table.h"

static struct addr_entry addrs[2 * ADDR_TABLE];
static struct vip_entry vips[2 * VIP_TABLE];
static struct settings settings;
static const struct table_sizes sizes = { ADDR_TABLE, VIP_TABLE, GUARD_LINES };
static struct vip_table *table;

static void fresh(uint64_t seed)
{
	vip_table_destroy(table);
	memset(addrs, 0, sizeof(addrs));
	memset(vips, 0, sizeof(vips));
	settings = (struct settings){ .hash_seed = seed };
	table = vip_table_create(addrs, vips, &sizes, &settings);
	vip_table_begin(table);
}

static struct vip_key key_of(uint32_t address, uint16_t port, uint8_t proto)
{
	return (struct vip_key){ .addr = { 0, 0, htonl(0xffff), htonl(0xcb000000 + address) },
				 .port = htons(port),
				 .proto = proto };
}

static void add(uint32_t address, uint16_t port, enum vip_kind kind, uint32_t index)
{
	struct vip_key key = key_of(address, port, IPPROTO_TCP);
	struct vip_entry vip = { .kind = kind, .index = index };
	struct err err;

	CHECK(vip_table_add_vip(table, &key, &vip, &err));
}

static uint32_t index_of(uint32_t address, uint16_t port, uint8_t proto)
{
	struct vip_key key = key_of(address, port, proto);
	const struct vip_entry *vip = vip_table_find(table, &key);

	return vip ? vip->index : UINT32_MAX;
}

static void commit(void)
{
	struct err err;

	CHECK(vip_table_commit(table, &err));
}

TEST(a_vip_is_found_by_all_of_its_key_once_it_is_committed)
{
	fresh(1);
	add(1, 443, VIP_L4, 5);
	add(1, 80, VIP_L4, 6);
	add(2, 443, VIP_L4, 7);
	CHECK_INT(index_of(1, 443, IPPROTO_TCP), UINT32_MAX);
	commit();
	CHECK_INT(index_of(1, 443, IPPROTO_TCP), 5);
	CHECK_INT(index_of(1, 80, IPPROTO_TCP), 6);
	CHECK_INT(index_of(2, 443, IPPROTO_TCP), 7);
	CHECK_INT(index_of(1, 443, IPPROTO_UDP), UINT32_MAX);
	CHECK_INT(index_of(2, 80, IPPROTO_TCP), UINT32_MAX);
	CHECK_INT(index_of(3, 443, IPPROTO_TCP), UINT32_MAX);
}

TEST(a_commit_writes_the_other_half_and_then_says_so)
{
	static struct addr_entry addrs_before[2 * ADDR_TABLE];
	static struct vip_entry vips_before[2 * VIP_TABLE];

	fresh(1);
	for (uint32_t turn = 0; turn < 4; turn++) {
		uint32_t in_use = settings.half;

		memcpy(addrs_before, addrs, sizeof(addrs));
		memcpy(vips_before, vips, sizeof(vips));
		vip_table_begin(table);
		add(1, (uint16_t)(100 + turn), VIP_L4, turn);
		commit();
		CHECK_INT(settings.half, !in_use);
		CHECK_INT(settings.commits, turn + 1);
		CHECK(!memcmp(addrs + in_use * ADDR_TABLE, addrs_before + in_use * ADDR_TABLE,
			      ADDR_TABLE * sizeof(*addrs)));
		CHECK(!memcmp(vips + in_use * VIP_TABLE, vips_before + in_use * VIP_TABLE,
			      VIP_TABLE * sizeof(*vips)));
		CHECK_INT(index_of(1, (uint16_t)(100 + turn), IPPROTO_TCP), turn);
		CHECK_INT(index_of(1, (uint16_t)(99 + turn), IPPROTO_TCP), UINT32_MAX);
	}
}

/* Who found an address before a commit looks for the port behind it: another address may have the
 * same place in the new half, but never the same number. */
TEST(a_number_means_the_same_address_whichever_half_is_in_use)
{
	uint32_t numbers[2][2];
	const uint32_t order[2][2] = { { 1, 2 }, { 2, 1 } };

	fresh(1);
	for (uint32_t turn = 0; turn < 2; turn++) {
		vip_table_begin(table);
		add(order[turn][0], 443, VIP_L4, order[turn][0]);
		add(order[turn][1], 443, VIP_L4, order[turn][1]);
		commit();
		for (uint32_t i = 0; i < ADDR_TABLE; i++) {
			const struct addr_entry *e = &addrs[settings.half * ADDR_TABLE + i];

			if (e->flags)
				numbers[turn][ntohl(e->addr[3]) - 0xcb000001] = e->number;
		}
	}
	CHECK(numbers[0][0] != numbers[1][0] && numbers[0][0] != numbers[1][1]);
	CHECK(numbers[0][1] != numbers[1][0] && numbers[0][1] != numbers[1][1]);
	for (uint32_t turn = 0; turn < 2; turn++) /* the first commit went to half 1 */
		for (uint32_t i = 0; i < 2; i++)
			CHECK_INT(ADDR_NUMBER_HALF(numbers[turn][i]), !turn);
}

static void check_probes(void)
{
	uint32_t half = settings.half;
	uint64_t seed = settings.table_seed[half];

	for (uint32_t i = 0; i < ADDR_TABLE; i++) {
		const struct addr_entry *e = &addrs[half * ADDR_TABLE + i];
		uint32_t home = (uint32_t)hash_addr(e->addr, seed) & (ADDR_TABLE - 1);

		CHECK(!e->flags || ((i - home) & (ADDR_TABLE - 1)) < PROBES_MAX);
	}
	for (uint32_t i = 0; i < VIP_TABLE; i++) {
		const struct vip_entry *e = &vips[half * VIP_TABLE + i];
		uint32_t home = (uint32_t)hash_word(e->key, seed) & (VIP_TABLE - 1);

		CHECK(!e->key || ((i - home) & (VIP_TABLE - 1)) < PROBES_MAX);
	}
}

TEST(as_many_vips_and_addresses_as_there_may_be_fit_within_the_probes)
{
	for (uint64_t seed = 1; seed <= 5; seed++) {
		struct err err;

		fresh(seed);
		for (uint32_t i = 0; i < VIPS_MAX; i++)
			add(i, (uint16_t)(1 + i), VIP_L4, i);
		for (uint32_t i = VIPS_MAX; i < ADDRS_MAX; i++) {
			struct vip_key key = key_of(i, 0, 0);

			CHECK(vip_table_add(table, key.addr, ADDR_SPLICES, &err));
		}
		commit();
		check_probes();
		for (uint32_t i = 0; i < VIPS_MAX; i++)
			CHECK_INT(index_of(i, (uint16_t)(1 + i), IPPROTO_TCP), i);
		for (uint32_t i = 0; i < 2 * ADDRS_MAX; i++) {
			struct vip_key key = key_of(i, 0, 0);

			CHECK_INT(vip_table_expects(table, key.addr),
				  i >= VIPS_MAX && i < ADDRS_MAX);
		}
	}
}

TEST(all_ports_of_one_address_fit)
{
	fresh(1);
	for (uint32_t i = 0; i < VIPS_MAX; i++)
		add(1, (uint16_t)(1 + i), VIP_L4, i);
	commit();
	check_probes();
	for (uint32_t i = 0; i < VIPS_MAX; i++)
		CHECK_INT(index_of(1, (uint16_t)(1 + i), IPPROTO_TCP), i);
}

TEST(one_more_is_refused_with_the_limit_and_what_is_in_use_stays)
{
	struct vip_key key = key_of(ADDRS_MAX, 1, IPPROTO_TCP), last = key_of(1, 1, IPPROTO_TCP);
	struct vip_entry vip = { .kind = VIP_L4 };
	struct err err;

	fresh(1);
	add(1, 443, VIP_L4, 5);
	commit();
	vip_table_begin(table);
	for (uint32_t i = 0; i < ADDRS_MAX; i++) {
		struct vip_key some = key_of(i, 0, 0);

		CHECK(vip_table_add(table, some.addr, ADDR_SPLICES, &err));
		CHECK(vip_table_add(table, some.addr, ADDR_TUNNEL, &err)); /* the same again */
	}
	CHECK(!vip_table_add(table, key.addr, ADDR_SPLICES, &err));
	CHECK(strstr(err.text, "more than 8192 addresses"));
	CHECK(!vip_table_add_vip(table, &key, &vip, &err));
	for (uint32_t i = 0; i < VIPS_MAX; i++)
		add(1, (uint16_t)(1 + i), VIP_L4, i);
	CHECK(!vip_table_add_vip(table, &last, &vip, &err));
	CHECK_STR(err.text, "more than 4096 pairs of vip address and port");
	CHECK_INT(index_of(1, 443, IPPROTO_TCP), 5);
}

TEST(what_is_in_use_is_read_back_as_it_was_given)
{
	static struct vip_key keys[VIPS_MAX];
	static struct vip_entry read[VIPS_MAX];
	bool seen[100] = { false };

	fresh(1);
	for (uint32_t turn = 0; turn < 2; turn++) { /* from both halves */
		memset(seen, 0, sizeof(seen));
		vip_table_begin(table);
		for (uint32_t i = 0; i < 100; i++)
			add(i / 3, (uint16_t)(1000 + i), i % 2 ? VIP_L4 : VIP_L7, i);
		commit();
		CHECK_INT(vip_table_read(table, keys, read, VIPS_MAX), 100);
		for (uint32_t i = 0; i < 100; i++) {
			uint32_t n = read[i].index;
			struct vip_key want = key_of(n / 3, (uint16_t)(1000 + n), IPPROTO_TCP);

			CHECK(n < 100 && !seen[n]);
			seen[n] = true;
			CHECK_BYTES(&keys[i], sizeof(want), &want, sizeof(want));
			CHECK_INT(read[i].kind, n % 2 ? VIP_L4 : VIP_L7);
		}
		CHECK_INT(vip_table_read(table, keys, read, 7), 7);
	}
}

TEST(flags_change_only_for_the_l4_listener_of_that_number)
{
	struct vip_key l4 = key_of(1, 1, IPPROTO_TCP), l7 = key_of(1, 2, IPPROTO_TCP),
		       other = key_of(1, 3, IPPROTO_TCP);

	fresh(1);
	add(1, 1, VIP_L4, 5);
	add(1, 2, VIP_L7, 5);
	add(1, 3, VIP_L4, 6);
	commit();
	vip_table_flag(table, 5, VIP_SETTLED);
	CHECK_INT(vip_table_find(table, &l4)->flags, VIP_SETTLED);
	CHECK_INT(vip_table_find(table, &l7)->flags, 0);
	CHECK_INT(vip_table_find(table, &other)->flags, 0);
	vip_table_flag(table, 5, 0);
	CHECK_INT(vip_table_find(table, &l4)->flags, 0);
}

TEST(only_addresses_of_splices_and_of_the_proxys_vips_expect_splices)
{
	static const struct {
		const char *name;
		uint32_t flags;
		enum vip_kind kind; /* 0: no vip */
		bool expects;
	} rows[] = {
		{ "a vip of an L4 listener", 0, VIP_L4, false },
		{ "a vip of the proxy", 0, VIP_L7, true },
		{ "our source", ADDR_SPLICES, 0, true },
		{ "our tunnel", ADDR_TUNNEL, 0, false },
		{ "our tunnel, and a source", ADDR_TUNNEL | ADDR_SPLICES, 0, true },
		{ "an L4 vip of which splices live on", ADDR_SPLICES, VIP_L4, true },
	};
	struct err err;

	FOR_ROWS (row, rows) {
		struct vip_key key = key_of(1, 443, IPPROTO_TCP);

		fresh(1);
		if (row->flags)
			CHECK(vip_table_add(table, key.addr, row->flags, &err));
		if (row->kind)
			add(1, 443, row->kind, 1);
		CHECK(!vip_table_expects(table, key.addr));
		commit();
		CHECK_INT(vip_table_expects(table, key.addr), row->expects);
	}
}

static uint32_t flags_of(uint32_t address, uint16_t port)
{
	struct vip_key key = key_of(address, port, IPPROTO_TCP);

	return vip_table_find(table, &key)->flags;
}

TEST(only_the_listener_of_the_proxy_that_is_in_trouble_is_marked)
{
	struct vip_key one = key_of(1, 80, 0), l4 = key_of(1, 443, 0), none = key_of(9, 80, 0);

	fresh(1);
	add(1, 80, VIP_L7, 5);
	add(1, 81, VIP_L7, 6);
	add(1, 443, VIP_L4, 7);
	commit();
	vip_table_press(table, one.addr, one.port, true);
	vip_table_press(table, l4.addr, l4.port, true);
	vip_table_press(table, none.addr, none.port, true);
	CHECK_INT(flags_of(1, 80), VIP_PRESSED);
	CHECK_INT(flags_of(1, 81), 0);
	CHECK_INT(flags_of(1, 443), 0);
	vip_table_press(table, one.addr, one.port, false);
	CHECK_INT(flags_of(1, 80), 0);
}
