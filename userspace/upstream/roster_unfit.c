/* Who was not fit for an exchange when somebody was chosen for it. */
#include "userspace/upstream/roster_parts.h"

void roster_unfit_note(struct roster_unfit *unfit, uint32_t place, enum unfit_cause cause)
{
	for (uint32_t i = 0; unfit && i < unfit->count; i++)
		if (unfit->places[i] == place)
			return;
	if (!unfit)
		return;
	if (unfit->count == ROSTER_UNFIT_MAX) {
		unfit->more = true;
		return;
	}
	unfit->places[unfit->count] = place;
	unfit->causes[unfit->count++] = (uint8_t)cause;
}

/* One that is down or ejected; those that were tried are told as such. */
void roster_unfit_ask(const struct roster *r, const struct roster_ask *ask, uint32_t place)
{
	if (ask->unfit && !roster_is_tried(ask, place))
		roster_unfit_note(ask->unfit, place,
				  roster_is_down(r, place, ask->now_ms) ? UNFIT_DOWN
									: UNFIT_EJECTED);
}

void roster_unfit_any(struct roster_unfit *unfit)
{
	if (unfit)
		unfit->any = true;
}
