var request = require('request');
var options = {
'method': 'POST',
'url': 'https://<domain>/<api prefix>/<version>/create/appointment/',
'headers': {
'apikey': '<apikey>',
'Authorization': 'Bearer <access token>'
},
formData: {
'slug': '<lead_slug>',
'appointment_date': '<yyyy-mm-dd HH:MM>',
'appointment_note': '<appointment_note>',
'appointment_status': '<appointment_status>',
'appointment_to': '<yyyy-mm-dd HH:MM>'
}
};
request(options, function (error, response) {
if (error) throw new Error(error);
console.log(response.body);
});
