/* When a listener's accept queue is in trouble, and when no more. */
#include "tests/harness/test.h"
#include "userspace/control/accept_watch.h"

TEST(a_listener_is_pressed_from_half_full_until_it_was_nearly_empty_for_some_time)
{
	static const struct {
		const char *name;
		uint64_t at_ms;
		uint32_t waiting, room;
		bool changed, pressed;
	} steps[] = {
		{ "nobody waits", 0, 0, 16, false, false },
		{ "not yet half", 100, 7, 16, false, false },
		{ "half", 200, 8, 16, true, true },
		{ "full", 300, 17, 16, false, true },
		{ "nearly empty", 400, 2, 16, false, true },
		{ "not for long enough", 300 + ACCEPT_CALM_MS - 1, 2, 16, false, true },
		{ "not empty", 300 + ACCEPT_CALM_MS, 3, 16, false, true },
		{ "the time begins anew", 299 + 2 * ACCEPT_CALM_MS, 0, 16, false, true },
		{ "long enough", 300 + 2 * ACCEPT_CALM_MS, 2, 16, true, false },
		{ "less than half again", 400 + 2 * ACCEPT_CALM_MS, 7, 16, false, false },
		{ "half again", 500 + 2 * ACCEPT_CALM_MS, 9, 16, true, true },
		{ "sockets that cannot be read", 600 + 3 * ACCEPT_CALM_MS, 0, 0, true, false },
		{ "with room for none", 700 + 3 * ACCEPT_CALM_MS, 0, 0, false, false },
		{ "for one, it waits", 800 + 3 * ACCEPT_CALM_MS, 1, 1, true, true },
	};
	struct accept_state queue = { 0 };

	FOR_ROWS (step, steps) {
		CHECK_INT(accept_state_update(&queue, step->waiting, step->room, step->at_ms),
			  step->changed);
		CHECK_INT(queue.pressed, step->pressed);
	}
}
