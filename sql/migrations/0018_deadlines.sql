-- migrate:up
-- No statement of a request runs longer than the request may: what the application no longer waits for ends here at the latest.
alter role landlord_operator set statement_timeout = '20s';
