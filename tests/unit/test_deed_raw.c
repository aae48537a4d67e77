/* Deeds on their way to shuntctl: they arrive whole, or not at all. */
#include <jansson.h>

#include "tests/harness/test.h"
#include "userspace/control/deed_ask.h"
#include "userspace/proxy/explain.h"

static struct deed made(void)
{
	struct deed deed = { .ended_ms = 1, .session = 7, .status = 200, .loser_count = 1 };

	deed.losers[0] = (struct deed_loser){ .route = 3, .which = 1, .miss = MISS_HEADER };
	deed_put(&deed, DEED_ID, SPAN("one"));
	deed_put(&deed, DEED_PATH, SPAN("/x"));
	return deed;
}

TEST(a_deed_arrives_as_it_was_and_its_bytes_are_told_to_nobody)
{
	struct deed sent = made(), got = { 0 };
	json_t *answer = json_pack("{s:i}", "session", 7);

	CHECK(!deed_from_raw(answer, &got));
	deed_to_raw(answer, &sent);
	CHECK(deed_from_raw(answer, &got));
	CHECK(memcmp(&sent, &got, sizeof(sent)) == 0);
	CHECK(!json_object_get(answer, "raw"));
	CHECK_INT(json_object_size(answer), 1);
	json_decref(answer);
}

TEST(bytes_that_are_none_of_ours_are_not_taken)
{
	static const struct {
		const char *name;
		size_t at; /* a byte of the deed that becomes 255 */
	} rows[] = {
		{ "an end that is none", offsetof(struct deed, end) },
		{ "a balance that is none", offsetof(struct deed, balance) },
		{ "more losers than there is room for", offsetof(struct deed, loser_count) },
		{ "more attempts", offsetof(struct deed, attempt_count) },
		{ "more of the unfit", offsetof(struct deed, unfit_count) },
		{ "a phase that is none", offsetof(struct deed, phase) },
		{ "a refusal that is none", offsetof(struct deed, refused) },
		{ "a reason of splices that is none", offsetof(struct deed, splice_reason) },
		{ "a text that is longer than all", offsetof(struct deed, lengths) + DEED_PATH },
	};

	FOR_ROWS (row, rows) {
		struct deed sent = made(), got;
		json_t *answer = json_object();

		((uint8_t *)&sent)[row->at] = 255;
		deed_to_raw(answer, &sent);
		if (deed_from_raw(answer, &got))
			test_fail(__FILE__, __LINE__, "%s: it was taken", row->name);
		json_decref(answer);
	}
}

TEST(what_is_too_short_or_no_hex_is_not_taken)
{
	struct deed sent = made(), got;
	json_t *answer = json_object();
	char text[2 * sizeof(sent) + 1];

	deed_to_raw(answer, &sent);
	snprintf(text, sizeof(text), "%s", json_string_value(json_object_get(answer, "raw")));
	text[10] = 'x';
	json_object_set_new(answer, "raw", json_string(text));
	CHECK(!deed_from_raw(answer, &got));
	json_object_set_new(answer, "raw", json_string(text + 2));
	CHECK(!deed_from_raw(answer, &got));
	json_object_set_new(answer, "raw", json_integer(1));
	CHECK(!deed_from_raw(answer, &got));
	json_decref(answer);
}
