// The app that put a service worker here is gone: this one takes its place and removes itself.
self.addEventListener('install', () => self.skipWaiting())
self.addEventListener('activate', event => event.waitUntil(self.registration.unregister()))
