#include "tests/harness/test.h"
#include "userspace/control/privileges.h"

TEST(sessions_are_two_descriptors_each_beside_the_others)
{
	static const struct {
		const char *name;
		uint64_t files, others;
		uint32_t want;
	} rows[] = {
		{ "a usual limit", 1024, 224, 400 },
		{ "an odd rest", 1025, 224, 400 },
		{ "hardly any", 100, 90, 16 },
		{ "others need more than there is", 100, 5000, 16 },
		{ "more than anybody needs", 1ull << 40, 0, 1 << 20 },
	};

	FOR_ROWS (row, rows)
		CHECK_INT(privileges_sessions_max(row->files, row->others), row->want);
}

TEST(an_unknown_user_and_a_wrong_cgroup_get_one_sentence)
{
	struct err err = { "" };

	CHECK(!privileges_drop("no-such-user", false, &err));
	CHECK_STR(err.text, "there is no user \"no-such-user\"; make one with useradd --system, or "
			    "give another --user");
	CHECK(!privileges_join_cgroup("/nowhere", &err));
	CHECK_STR(err.text,
		  "--cgroup /nowhere is no cgroup v2 directory; make one with mkdir below "
		  "/sys/fs/cgroup");
}
