/*
 * driver.h - where tc_driver leaves what its tests want to know; see there. Of tests only.
 */
#pragma once

/* Words of the control block. The first three mark packets that are only to be explained. */
enum {
	DRIVER_CUT = 3, /* before: bytes that the frame shall have; 0: all */
	DRIVER_TAG = 3, /* EtherType and control information of a tag beside the frame, or 0 */
	DRIVER_OUT = 4, /* index of the device of a redirect */
};

enum { DRIVER_FAILED = 99 /* no action of tc's */ };
