#include <ctype.h>

#include "tests/harness/test.h"
#include "userspace/splice/splice_reason.h"

TEST(every_reason_has_a_name_fit_for_metrics_and_a_text_of_its_own)
{
	for (int i = 0; i < SPLICE_REASONS; i++) {
		test_row(splice_reason_names[i]);
		CHECK(splice_reason_names[i][0]);
		for (const char *c = splice_reason_names[i]; *c; c++)
			CHECK(isupper((unsigned char)*c) || *c == '_');
		CHECK_INT(splice_reason_texts[i][0] == 0, i == SPLICE_REASON_NONE);
		/* The access log is JSON or quoted text: a reason needs no escapes. */
		CHECK(!strpbrk(splice_reason_texts[i], "\"\\\n"));
		for (int k = 0; k < i; k++) {
			CHECK(strcmp(splice_reason_names[i], splice_reason_names[k]) != 0);
			CHECK(strcmp(splice_reason_texts[i], splice_reason_texts[k]) != 0);
		}
	}
}

TEST(names_and_texts_stand_at_their_reason)
{
	CHECK_STR(splice_reason_names[SPLICE_REASON_NONE], "NONE");
	CHECK_STR(splice_reason_texts[SPLICE_REASON_DONE], "spliced");
	CHECK_STR(splice_reason_names[SPLICE_REASON_SYSTEM], "SYSTEM");
	CHECK_STR(splice_reason_texts[SPLICE_REASON_SYSTEM], "a system call failed");
	CHECK_INT(SPLICE_REASON_NONE, 0); /* what a session starts with */
}
