/*
 * attach_pick.h - which hook a device gets where nobody has said: XDP or tc.
 */
#pragma once
#include "loader/attach.h"

/*
 * AUTO becomes TC where packets come as XDP cannot take them, else NATIVE; what a device has
 * already it keeps. Says in a notice why it is tc.
 */
enum attach_mode attach_pick(const char *pin_dir, const char *device, enum attach_mode wanted,
			     struct notices *notices);
