/* SPDX-License-Identifier: GPL-2.0 */
/* Capability numbers and names; a NULL name ends the list. */
#ifndef TOOLS_CAPS_H
#define TOOLS_CAPS_H

struct cap_name {
	unsigned int cap;
	const char *name;	/* without KVM_CAP_ */
};

extern const struct cap_name cap_names[];

#endif
