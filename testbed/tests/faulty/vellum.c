// SPDX-License-Identifier: GPL-2.0
/* A module that misbehaves on demand, to test that the test machine notices. */
#include <linux/module.h>
#include <linux/delay.h>

static char *fault = "";
module_param(fault, charp, 0444);

static bool is(const char *what)
{
	return !strcmp(fault, what);
}

static void triple_fault(void)
{
	static const struct {
		u16 limit;
		u64 base;
	} __packed none;

	asm volatile("lidt %0; int3" : : "m" (none));
}

static int __init faulty_init(void)
{
	if (is("refuse"))
		return -ENODEV;
	WARN_ON(is("warn"));
	if (is("oops"))
		*(int *)8 = 0;
	if (is("panic"))
		panic("asked for");
	if (is("triple"))
		triple_fault();
	while (is("hang"))
		msleep(1000);
	if (is("stay"))
		__module_get(THIS_MODULE);
	return 0;
}

static void __exit faulty_exit(void)
{
	if (!is("mute"))
		pr_info("vellum: unloaded, objects: vms=0 vcpus=%d pages=0\n", is("leak"));
}

module_init(faulty_init);
module_exit(faulty_exit);
MODULE_DESCRIPTION("A module that misbehaves on demand");
MODULE_LICENSE("GPL");
