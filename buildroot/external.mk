# What this tree does beside its packages: it refuses a Buildroot that it was not
# made for, and a configuration in which something of it has been lost.

ATEK_BUILDROOT_VERSION := $(strip $(shell cat $(BR2_EXTERNAL_ATEK_PATH)/BUILDROOT_VERSION))

ifneq ($(BR2_VERSION),$(ATEK_BUILDROOT_VERSION))
$(error this tree is for Buildroot $(ATEK_BUILDROOT_VERSION), and BUILDROOT_DIR is $(BR2_VERSION): \
	its configurations would lose settings without a word. See buildroot/README.md)
endif

include $(sort $(wildcard $(BR2_EXTERNAL_ATEK_PATH)/package/*/*.mk))

ATEK_CHECK_CONFIG = $(BR2_EXTERNAL_ATEK_PATH)/scripts/check-config

# Kconfig drops what it dislikes without a word. So whoever changes the
# configuration has to save it (make savedefconfig) before building.
ifeq ($(BR_BUILDING),y)
# A fragment of another toolchain replaces what the configuration says of Buildroot's own.
ATEK_WANTED_SETTINGS = grep -v $(if $(ATEK_FRAGMENTS),-e '^BR2_TOOLCHAIN_BUILDROOT_' -e '^BR2_PACKAGE_HOST_LINUX_HEADERS_',-e '^$$')
ATEK_LOST_SETTINGS := $(shell $(ATEK_WANTED_SETTINGS) $(call qstrip,$(BR2_DEFCONFIG)) | \
	$(ATEK_CHECK_CONFIG) $(BR2_CONFIG) /dev/stdin 2>&1 || echo failed)
ifneq ($(ATEK_LOST_SETTINGS),)
$(error the configuration is not what $(notdir $(call qstrip,$(BR2_DEFCONFIG))) asks for: $(ATEK_LOST_SETTINGS))
endif
endif

# The kernel's final configuration, before the build (so that a mistake costs no
# hour) and after it (the build may still have changed it).
define ATEK_CHECK_KERNEL_CONFIG
	$(ATEK_CHECK_CONFIG) $(LINUX_DIR)/.config $(LINUX_KCONFIG_FRAGMENT_FILES)
endef
LINUX_POST_CONFIGURE_HOOKS += ATEK_CHECK_KERNEL_CONFIG
LINUX_POST_BUILD_HOOKS += ATEK_CHECK_KERNEL_CONFIG
